import type { Condition } from '../api/meta.ts';
import { fieldManagers } from '../api/names.ts';
import { gatewayConditions, type Peer } from '../api/peer.ts';
import { peers as peerResource } from '../api/resource.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Acceptance } from './accepted-peers.ts';
import type { LinkFigures } from './link-meter.ts';

type Said = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** A gateway is not ready when it was silent for so long. Milliseconds. */
const silenceMs = 60_000;
/** Peers that are written to in one go; the others wait for the next. */
const writesAtOnce = 50;

/** What the hub's gateway says of a Peer. Pure. @param since when the link was first there, on the clock of `now`. */
export function conditionsOf(
  peer: Peer,
  acceptance: Acceptance,
  link: LinkFigures | undefined,
  { now, since }: { readonly now: number; readonly since: number },
): Said[] {
  const refusal = acceptance.refused.find(({ id }) => id === peer.spec.cluster_id);
  const type = gatewayConditions.tunnelAccepted;
  if (refusal !== undefined) {
    return [{ type, status: 'False', reason: refusal.reason, message: refusal.message }];
  }
  const accepted: Said = { type, status: 'True', reason: 'Accepted', message: 'gateways believe this Peer' };
  if (link === undefined) return [accepted];
  const heardAt = link.answeredAt ?? since;
  const isSilent = now - heardAt > silenceMs;
  // Before a minute is over nothing is said of one that was never heard.
  if (link.answeredAt === undefined && !isSilent) return [accepted];
  const ready: Said = isSilent
    ? {
        type: gatewayConditions.gatewayReady,
        status: 'False',
        reason: 'NoAnswer',
        message: `the gateway did not answer for ${silenceMs / 1000} s`,
      }
    : {
        type: gatewayConditions.gatewayReady,
        status: 'True',
        reason: 'Answers',
        message: 'the gateway answers',
      };
  return [accepted, ready];
}

/** The hub's gateway tells each cluster, on its Peer, what becomes of it. */
export class HubWords {
  readonly #options: { readonly client: KubeClient; readonly namespace: string; readonly self: string };
  readonly #since = new Map<string, number>();

  constructor(options: { readonly client: KubeClient; readonly namespace: string; readonly self: string }) {
    this.#options = options;
  }

  /** @returns when to look again. */
  async say(
    peers: Iterable<Peer>,
    acceptance: Acceptance,
    links: ReadonlyMap<string, LinkFigures>,
    signal: AbortSignal,
  ): Promise<{ requeueAfter: number }> {
    const now = performance.now();
    for (const id of this.#since.keys()) if (!links.has(id)) this.#since.delete(id);
    for (const id of links.keys()) if (!this.#since.has(id)) this.#since.set(id, now);
    const writes: { readonly peer: Peer; readonly conditions: readonly Condition[] }[] = [];
    for (const peer of peers) {
      const id = peer.spec.cluster_id;
      if (id === this.#options.self) continue;
      const said = conditionsOf(peer, acceptance, links.get(id), { now, since: this.#since.get(id) ?? now });
      const conditions = said.map(one => dated(one, peer));
      const isSame = said.every(one =>
        peer.status.conditions.some(
          before =>
            before.type === one.type && before.status === one.status && before.message === one.message,
        ),
      );
      if (!isSame) writes.push({ peer, conditions });
      if (writes.length >= writesAtOnce) break;
    }
    await Promise.all(
      writes.map(({ peer: { metadata }, conditions }) =>
        this.#options.client.apply(
          peerResource,
          { metadata: { namespace: this.#options.namespace, name: metadata.name }, status: { conditions } },
          { fieldManager: fieldManagers.hubGateway, force: true, subresource: 'status', signal },
        ),
      ),
    );
    return { requeueAfter: writes.length >= writesAtOnce ? 100 : 5_000 };
  }
}

/** The time stands as long as the status does (metav1.Condition). */
function dated(said: Said, peer: Peer): Condition {
  const before = peer.status.conditions.find(({ type }) => type === said.type);
  const lastTransitionTime =
    before?.status === said.status ? before.lastTransitionTime : `${new Date().toISOString().slice(0, 19)}Z`;
  return { ...said, lastTransitionTime };
}
