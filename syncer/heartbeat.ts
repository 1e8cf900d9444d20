import { setTimeout as sleep } from 'node:timers/promises';

import { fieldManagers } from '../api/names.ts';
import { leases } from '../api/resource.ts';
import { clusterLease } from '../membership/cluster-lease.ts';
import type { Logger } from '../process/log.ts';
import type { HubAccess } from './hub-view.ts';
import type { SyncerMetrics } from './metrics.ts';

/** Milliseconds from one renewal to the next. */
const renewalIntervalMs = 5_000;
/** After a failure, so that one lost request does not cost a third of the lease, in milliseconds. */
const retryMs = 1_000;

export interface HeartbeatOptions extends HubAccess {
  readonly clusterId: string;
  /** What the lease tells of the joining, at each renewal. */
  readonly annotations: () => Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly metrics: SyncerMetrics;
}

/**
 * Renews the cluster's lease on the hub until the signal is aborted.
 *
 * Every replica of the syncer does, leader or not: the lease says that the cluster lives, and a change of leader must
 * not look like its death. It is not given back at the end, as another replica, or the next one, goes on.
 */
export async function keepAlive(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  const { log, metrics } = options;
  let failures = 0;
  while (!signal.aborted) {
    let pause = renewalIntervalMs;
    try {
      await renew(options, AbortSignal.any([signal, AbortSignal.timeout(renewalIntervalMs)]));
      metrics.heartbeats.inc({ outcome: 'renewed' });
      if (failures > 0) log.info({ failures }, 'lease on the hub is renewed again');
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      metrics.heartbeats.inc({ outcome: 'failed' });
      if (failures++ === 0) log.warn({ err: error }, 'lease on the hub could not be renewed, trying again');
      pause = retryMs;
    }
    await sleep(pause, undefined, { signal }).catch(() => undefined); // Aborted: the loop ends.
  }
}

async function renew(
  { client, shareNamespace, clusterId, annotations }: HeartbeatOptions,
  signal: AbortSignal,
): Promise<void> {
  const lease = clusterLease(shareNamespace, clusterId, annotations());
  await client.apply(leases, lease, { fieldManager: fieldManagers.syncer, force: true, signal });
}
