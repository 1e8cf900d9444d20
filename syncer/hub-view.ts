import type { Registry } from 'prom-client';
import { splitKey } from '../api/meta.ts';
import { hubLabels } from '../api/names.ts';
import { endpointSlices, exportedServices, leases } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import { type HubSlice, readHubSlice } from './slice-views.ts';
import { type HubExport, type LeaseView, readHubExport, readLease } from './views.ts';

/** Where a member cluster acts on the hub. */
export interface HubAccess {
  readonly client: KubeClient;
  readonly shareNamespace: string;
}

export interface HubViewOptions extends HubAccess {
  readonly clusterId: string;
  readonly log: Logger;
  readonly metrics?: Registry | undefined;
}

/** A hub that comes back is found soon: what was missed meanwhile waits for it. */
const backoff = { minMs: 100, maxMs: 5_000 };

/** What the clusters have on the hub. */
export class HubView {
  readonly client: KubeClient;
  readonly shareNamespace: string;
  readonly clusterId: string;
  readonly exports: ObjectCache<HubExport>;
  readonly slices: ObjectCache<HubSlice>;
  readonly leases: ObjectCache<LeaseView>;

  constructor({ client, shareNamespace, clusterId, log, metrics }: HubViewOptions) {
    this.client = client;
    this.shareNamespace = shareNamespace;
    this.clusterId = clusterId;
    const common = { client, namespace: shareNamespace, log, metrics, backoff };
    this.exports = new ObjectCache({
      ...common,
      resource: exportedServices,
      project: readHubExport,
      indexes: {
        service: one => [one.service],
        namespace: one => [splitKey(one.service).namespace ?? ''],
        cluster: one => [one.clusterId],
      },
      unchanged: (before, after) => before.fingerprint === after.fingerprint,
    });
    this.slices = new ObjectCache({
      ...common,
      name: 'hub-endpointslices',
      resource: endpointSlices,
      labelSelector: hubLabels.clusterId,
      project: object => readHubSlice(object, clusterId),
      indexes: { service: slice => [slice.service] },
    });
    this.leases = new ObjectCache({
      ...common,
      resource: leases,
      labelSelector: hubLabels.clusterId,
      project: readLease,
    });
  }

  get #caches(): readonly ObjectCache<unknown>[] {
    return [this.exports, this.slices, this.leases] as ObjectCache<unknown>[];
  }

  get hasSynced(): boolean {
    return this.#caches.every(cache => cache.hasSynced);
  }

  async synced(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#caches.map(cache => cache.synced(signal)));
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#caches.map(cache => cache.run(signal)));
  }

  /**
   * What the clusters export of a service, one export a cluster. A cluster that has several objects for one service,
   * which its labels allow and its syncer never does, speaks by the first of them.
   */
  exportsOf(service: string): ReadonlyMap<string, HubExport> {
    const found = new Map<string, HubExport>();
    for (const one of this.exports.byIndex('service', service)) {
      const known = found.get(one.clusterId);
      if (known === undefined || one.objectName < known.objectName) found.set(one.clusterId, one);
    }
    return found;
  }

  ownExports(service: string): readonly HubExport[] {
    return this.exports.byIndex('service', service).filter(one => one.clusterId === this.clusterId);
  }

  ownSlices(service: string): readonly HubSlice[] {
    return this.slices.byIndex('service', service).filter(slice => slice.clusterId === this.clusterId);
  }
}
