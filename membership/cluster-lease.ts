import type { KubeObject } from '../api/meta.ts';
import { hubLabels } from '../api/names.ts';
import { leaseName } from '../api/object-names.ts';
import { microTime } from '../kube/lease.ts';

/** A cluster that does not renew its lease for so long is dead to the others, in milliseconds. */
export const leaseDurationMs = 15_000;

/**
 * The cluster's Lease on the hub as whoever writes it applies it, now: the join first, then each replica of the syncer.
 *
 * @param annotations what it tells of the joining; who makes it anew must not forget them.
 */
export function clusterLease(
  namespace: string,
  clusterId: string,
  annotations: Readonly<Record<string, string>>,
): KubeObject & { readonly spec: Readonly<Record<string, unknown>> } {
  return {
    metadata: {
      namespace,
      name: leaseName(clusterId),
      labels: { [hubLabels.clusterId]: clusterId },
      annotations,
    },
    spec: {
      holderIdentity: clusterId,
      leaseDurationSeconds: leaseDurationMs / 1000,
      renewTime: microTime(new Date()),
    },
  };
}
