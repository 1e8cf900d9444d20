import type { Registry } from 'prom-client';
import { peerName } from '../api/object-names.ts';
import { parsePeer } from '../api/peer.ts';
import { peers } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import { Controller } from '../kube/controller.ts';
import type { Membership } from '../membership/membership.ts';
import type { Logger } from '../process/log.ts';
import type { HubAccess } from './hub-view.ts';

export interface RememberOptions extends HubAccess {
  readonly membership: Pick<Membership, 'rememberCidr' | 'clusterId'>;
  readonly log: Logger;
  readonly metrics: Registry;
}

/**
 * Keeps in this cluster which CIDR the hub gave it, until the signal is aborted.
 *
 * A hub that is lost takes that with it, and gives the first free ones to those who join it anew, in whatever order they
 * do; the addresses of running pods are of the former ones.
 */
export async function rememberCidr(options: RememberOptions, signal: AbortSignal): Promise<void> {
  const { client, shareNamespace, membership, log, metrics } = options;
  const own = new ObjectCache<string>({
    client,
    resource: peers,
    namespace: shareNamespace,
    fieldSelector: `metadata.name=${peerName(membership.clusterId)}`,
    project: object => parsePeer(object).spec.cluster_cidr.join(),
    log,
    metrics,
  });
  const controller = new Controller({
    name: 'cidr',
    reconcile: async (key, until) => {
      const cidr = own.get(key);
      // A Peer that is away, or has none, is no reason to forget.
      if (cidr) await membership.rememberCidr(cidr, until);
    },
    concurrency: 1,
    log,
    metrics,
  });
  own.subscribe(({ key }) => controller.enqueue(key));
  await Promise.all([own.run(signal), controller.run(signal)]);
}
