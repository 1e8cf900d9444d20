import type { Condition } from '../api/meta.ts';
import { fieldManagers, hubLabels } from '../api/names.ts';
import { peerName } from '../api/object-names.ts';
import { apiVersion, peers } from '../api/resource.ts';
import { formatCidr } from '../ipam/cidr.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reconcile } from '../kube/controller.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { Logger } from '../process/log.ts';
import type { CidrSettings } from './cidr-choice.ts';
import type { CidrTable } from './cidr-table.ts';
import { planCluster, type Step } from './cluster-plan.ts';
import type { HubMetrics } from './metrics.ts';
import { saysAlive, saysCidr, withCondition } from './peer-conditions.ts';
import { endJoinToken, removeCluster, removeMember } from './removal.ts';
import { viewPeer, type World } from './world.ts';

export interface WorkOptions {
  readonly client: KubeClient;
  readonly world: World;
  readonly namespace: string;
  /** The hub's own id. */
  readonly hubId: string;
  readonly cidrs: CidrTable;
  readonly settings: CidrSettings;
  readonly purgeAfterMs: number;
  readonly events: EventRecorder;
  readonly metrics: HubMetrics;
  readonly log: Logger;
}

/** Longest time until a cluster is looked at again, in milliseconds: one timer of Node cannot take more than 24 days. */
const longestWaitMs = 3_600_000;

/** Brings one cluster's place on the hub to what the plan says. */
export class ClusterWork {
  readonly #options: WorkOptions;

  constructor(options: WorkOptions) {
    this.#options = options;
  }

  /** For a Controller, keyed by cluster id. */
  readonly reconcile: Reconcile = async (id, signal) => {
    const { world, hubId, purgeAfterMs } = this.#options;
    if (id === hubId || world.peer(id)?.ishub) return await this.#keepHubPeer(id, signal);
    const now = Date.now();
    const { steps, lookAgainAt } = planCluster(world.facts(id), now, purgeAfterMs);
    for (const step of steps) await this.#take(step, id, signal);
    if (lookAgainAt === undefined) return;
    return { requeueAfter: Math.min(Math.max(lookAgainAt - now, 1), longestWaitMs) };
  };

  async #take(step: Step, id: string, signal: AbortSignal): Promise<void> {
    const { client, namespace, world, log, metrics } = this.#options;
    const place = { namespace, id };
    switch (step.do) {
      case 'end-join': {
        const joining = world.joinAccount(id);
        if (joining !== undefined) await endJoinToken(client, place, joining, signal);
        metrics.joinTokensEnded.inc({ reason: step.why });
        log.info({ cluster: id, reason: step.why }, 'join token ended');
        return;
      }
      case 'forget':
        await removeMember(client, place, signal);
        log.info({ cluster: id }, 'cluster that never joined is forgotten');
        return;
      case 'give-peer':
        return await this.#givePeer(id, signal);
      case 'say-alive':
        await this.#say(id, saysAlive(step.alive), signal);
        this.#tell(
          id,
          step.alive ? 'Normal' : 'Warning',
          step.alive ? 'Alive' : 'Silent',
          saysAlive(step.alive).message,
        );
        log.info({ cluster: id, alive: step.alive }, 'cluster changed its state of life');
        return;
      case 'purge':
        return await this.#purge(id, signal);
    }
  }

  async #givePeer(id: string, signal: AbortSignal): Promise<void> {
    const { world, cidrs, settings, log, metrics } = this.#options;
    const before = world.peer(id);
    const choice = await cidrs.claim(id, world.requestedCidr(id), world.announced(), settings, signal);
    metrics.setUsed(settings.globals, choice.allocations);
    if (before === undefined || before.cidrs.join() !== choice.cidrs.join()) {
      await this.#applyPeer(id, { cluster_id: id, cluster_cidr: choice.cidrs }, signal);
      log.info({ cluster: id, cidrs: choice.cidrs, refused: choice.refused }, 'cluster has its peer');
    }
    const said = saysCidr(choice);
    if (before?.conditions.get(said.type)?.message === said.message) return;
    await this.#say(id, said, signal);
    this.#tell(
      id,
      said.status === 'True' && choice.refused === undefined ? 'Normal' : 'Warning',
      said.reason,
      said.message,
    );
  }

  async #purge(id: string, signal: AbortSignal): Promise<void> {
    const { client, namespace, world, cidrs, log, metrics } = this.#options;
    this.#tell(id, 'Warning', 'Purged', 'the cluster gave no sign of life for too long and is removed');
    const place = { namespace, id };
    const removed = await removeCluster({ client, place, joining: world.joinAccount(id), cidrs, signal });
    metrics.purges.inc();
    log.warn({ cluster: id, ...removed }, 'silent cluster purged');
  }

  /** The hub's own Peer says what all clusters have together. */
  async #keepHubPeer(id: string, signal: AbortSignal): Promise<void> {
    const { world, hubId, settings, log } = this.#options;
    if (id !== hubId) {
      log.warn({ peer: id, hub: hubId }, 'there is a peer that says it is the hub, and is not');
      return;
    }
    const globals = settings.globals.map(formatCidr);
    const peer = world.peer(id);
    if (peer?.ishub && peer.cidrs.join() === globals.join()) return;
    await this.#applyPeer(id, { cluster_id: id, cluster_cidr: globals, ishub: true }, signal);
    log.info({ cidrs: globals }, 'hub has its peer');
  }

  async #applyPeer(id: string, spec: object, signal: AbortSignal): Promise<void> {
    const { client, namespace } = this.#options;
    await client.apply(
      peers,
      { metadata: { namespace, name: peerName(id), labels: { [hubLabels.clusterId]: id } }, spec },
      { fieldManager: fieldManagers.hub, force: true, signal },
    );
  }

  async #say(
    id: string,
    said: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, namespace } = this.#options;
    // Read now, not from the cache: a condition that we leave out of an apply is deleted.
    const peer = await client.get(peers, { namespace, name: peerName(id) }, { signal });
    if (peer === undefined) return;
    const conditions = withCondition(viewPeer(peer).conditions, said, new Date());
    await client.apply(
      peers,
      { metadata: { namespace, name: peerName(id) }, status: { conditions } },
      { fieldManager: fieldManagers.hub, force: true, subresource: 'status', signal },
    );
  }

  #tell(id: string, type: 'Normal' | 'Warning', reason: string, note: string): void {
    const { events, namespace, world } = this.#options;
    const uid = world.peer(id)?.uid;
    const regarding = { apiVersion: apiVersion(peers), kind: peers.kind, namespace, name: peerName(id), uid };
    events.record({ regarding, type, reason, note, action: 'Reconcile' });
  }
}
