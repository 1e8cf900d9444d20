import { hubLabels, mcsLabels } from '../../api/names.ts';
import { endpointSlices, serviceImports } from '../../api/resource.ts';
import { inClusterAccess, kubeconfigAccess } from '../../kube/access.ts';
import { ObjectCache } from '../../kube/cache.ts';
import { KubeClient } from '../../kube/client.ts';
import { hasContractLabels, readImport, readSlice, type ServiceRecord } from '../records.ts';
import type { Source, SourceContext } from './source.ts';

/**
 * ServiceImports and EndpointSlices of a cluster: those with KEP-1645's labels in all namespaces, and those with the
 * contract's in the local namespace.
 */
export class KubernetesSource implements Source {
  readonly name = 'kubernetes';
  readonly #client: KubeClient;
  readonly #caches: readonly ObjectCache<ServiceRecord>[];

  static async open(kubeconfig: string | undefined, context: SourceContext): Promise<KubernetesSource> {
    const access = kubeconfig === undefined ? inClusterAccess() : await kubeconfigAccess(kubeconfig);
    return new KubernetesSource(new KubeClient(access, { log: context.log }), context);
  }

  constructor(client: KubeClient, { catalog, localNamespace, log }: SourceContext) {
    this.#client = client;
    const slices = new ObjectCache<ServiceRecord>({
      client,
      resource: endpointSlices,
      labelSelector: mcsLabels.serviceName,
      // Those of the local namespace with both kinds of labels come from the other cache.
      project: object =>
        hasContractLabels(object, localNamespace) ? undefined : readSlice(object, localNamespace),
      log,
    });
    const localSlices = new ObjectCache<ServiceRecord>({
      client,
      resource: endpointSlices,
      namespace: localNamespace,
      labelSelector: hubLabels.serviceName,
      project: object => readSlice(object, localNamespace),
      log,
    });
    const imports = new ObjectCache<ServiceRecord>({
      client,
      resource: serviceImports,
      project: readImport,
      log,
    });
    this.#caches = [imports, slices, localSlices];
    for (const [i, cache] of this.#caches.entries()) {
      cache.subscribe(({ key, after }) => catalog.set(`${i}:${key}`, after));
    }
  }

  get synced(): boolean {
    return this.#caches.every(cache => cache.hasSynced);
  }

  get lastContact(): number {
    return Math.min(...this.#caches.map(cache => cache.lastContact));
  }

  async untilSynced(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#caches.map(cache => cache.synced(signal)));
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all(this.#caches.map(cache => cache.run(signal)));
    } finally {
      this.#client.close();
    }
  }
}
