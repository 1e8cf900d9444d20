import { setTimeout as sleep } from 'node:timers/promises';
import { kubeconfigAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { joinHub } from '../membership/join.ts';
import type { Membership } from '../membership/membership.ts';
import { MembershipError } from '../membership/membership-error.ts';
import type { Logger } from '../process/log.ts';
import { type OptionValues, UsageError } from '../process/options.ts';
import { together } from '../process/together.ts';
import { fixedNetwork, HubNetwork, type NetworkSource } from './network-source.ts';
import type { options } from './options.ts';

type Given = OptionValues<typeof options>;

/** How often the identity is looked for that another component of the cluster gets from the hub, in milliseconds. */
const identityIntervalMs = 3_000;

/**
 * Where the network comes from: the flags, or the hub.
 *
 * @returns the source, and what keeps it up to date.
 * @throws UsageError where the flags contradict each other.
 */
export function findNetwork(context: {
  readonly given: Given;
  /** Of this cluster. */
  readonly client: KubeClient;
  readonly log: Logger;
}): { readonly source: NetworkSource; run(signal: AbortSignal): Promise<void> } {
  const { given, log } = context;
  if (given.cidr.length > 0) {
    const source = fixed(given);
    return { source, run: async () => {} };
  }
  const source = new LateSource();
  return {
    source,
    async run(signal) {
      const hub = await openHub(context, signal);
      if (hub === undefined) return;
      using client = hub.client;
      const network = new HubNetwork({
        client,
        shareNamespace: hub.shareNamespace,
        clusterId: given.clusterId ?? '',
        mode: given.networkMode,
        log,
      });
      source.set(network);
      await together(signal, until => [network.run(until), hub.membership?.run(until)]);
    },
  };
}

function fixed(given: Given): NetworkSource {
  try {
    return fixedNetwork(given.cidr, given.globalCidr, given.networkMode);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Stands for a source that is not there before the hub was reached. */
class LateSource implements NetworkSource {
  #source: NetworkSource | undefined;
  readonly #subscribers = new Set<() => void>();

  get current() {
    return this.#source?.current;
  }

  get problem() {
    return this.#source === undefined ? 'this cluster must have joined the hub' : this.#source.problem;
  }

  subscribe(onChange: () => void): () => void {
    this.#subscribers.add(onChange);
    return () => this.#subscribers.delete(onChange);
  }

  set(source: NetworkSource): void {
    this.#source = source;
    source.subscribe(() => {
      for (const onChange of this.#subscribers) onChange();
    });
  }
}

interface Hub {
  readonly client: KubeClient;
  readonly shareNamespace: string;
  readonly membership: Membership | undefined;
}

/** @returns undefined where the signal was aborted before. */
async function openHub(
  { given, client, log }: { readonly given: Given; readonly client: KubeClient; readonly log: Logger },
  signal: AbortSignal,
): Promise<Hub | undefined> {
  if (given.hubKubeconfig !== undefined) {
    const hub = new KubeClient(await kubeconfigAccess(given.hubKubeconfig), { log });
    return { client: hub, shareNamespace: given.shareNamespace, membership: undefined };
  }
  while (!signal.aborted) {
    try {
      const membership = await joinHub({
        local: client,
        namespace: given.namespace,
        clusterId: given.clusterId ?? '',
        hubUrl: given.hubUrl?.href.replace(/\/$/, ''),
        log,
        signal,
      });
      const hub = new KubeClient(membership.access, { log });
      return { client: hub, shareNamespace: membership.shareNamespace, membership };
    } catch (error) {
      if (signal.aborted) return undefined;
      // The syncer joins; until then there is no identity.
      log.info({ err: error }, 'no membership of the hub yet');
      if (!(error instanceof MembershipError)) throw error;
    }
    await sleep(identityIntervalMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}
