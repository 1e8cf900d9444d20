import { setTimeout as sleep } from 'node:timers/promises';
import { kubeconfigAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { joinHub } from '../membership/join.ts';
import { MembershipError } from '../membership/membership-error.ts';
import type { ProcessContext } from '../process/component.ts';

export interface Hub {
  readonly client: KubeClient;
  readonly shareNamespace: string;
  /** Keeps the access alive. */
  run(signal: AbortSignal): Promise<void>;
}

export interface FindHubOptions {
  readonly isHub: boolean;
  readonly clusterId: string;
  readonly namespace: string;
  readonly shareNamespace: string;
  readonly hubKubeconfig: string | undefined;
  readonly hubUrl: URL | undefined;
}

/** How often the identity is looked for that the syncer gets from the hub. Milliseconds. */
const identityIntervalMs = 1_000;

/**
 * The API of the hub: our own on the hub, by kubeconfig for trials, else as the member that the syncer has made us.
 *
 * @returns undefined where the signal was aborted before.
 */
export async function findHub(
  options: FindHubOptions,
  local: KubeClient,
  { log, metrics }: Pick<ProcessContext, 'log' | 'metrics'>,
  signal: AbortSignal,
): Promise<Hub | undefined> {
  const { isHub, shareNamespace, hubKubeconfig } = options;
  if (hubKubeconfig !== undefined) {
    const client = new KubeClient(await kubeconfigAccess(hubKubeconfig), { log, metrics });
    return { client, shareNamespace, run: async () => {} };
  }
  if (isHub) return { client: local, shareNamespace, run: async () => {} };
  while (!signal.aborted) {
    try {
      const membership = await joinHub({
        local,
        namespace: options.namespace,
        clusterId: options.clusterId,
        hubUrl: options.hubUrl?.href.replace(/\/$/, ''),
        log,
        signal,
      });
      const client = new KubeClient(membership.access, { log, metrics });
      return { client, shareNamespace: membership.shareNamespace, run: until => membership.run(until) };
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof MembershipError)) throw error;
      log.info({ err: error }, 'no membership of the hub yet');
    }
    await sleep(identityIntervalMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}
