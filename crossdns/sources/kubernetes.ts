import { setTimeout as sleep } from 'node:timers/promises';
import { hubLabels, mcsLabels } from '../../api/names.ts';
import { endpointSlices, type Resource, serviceImports } from '../../api/resource.ts';
import { accessOf } from '../../kube/access.ts';
import { Backoff } from '../../kube/backoff.ts';
import { ObjectCache } from '../../kube/cache.ts';
import { KubeClient } from '../../kube/client.ts';
import type { Logger } from '../../process/log.ts';
import { orAborted } from '../abort.ts';
import { hasContractLabels, readImport, readSlice, type ServiceRecord } from '../records.ts';
import type { Source, SourceContext } from './source.ts';

/** Versions of the MCS API that are read, the best first: older installations of others serve only the second. */
const importVersions = ['v1beta1', 'v1alpha1'];

/**
 * ServiceImports and EndpointSlices of a cluster: those with KEP-1645's labels in all namespaces, and those with the
 * contract's in the local namespace.
 */
export class KubernetesSource implements Source {
  readonly name = 'kubernetes';
  readonly #client: KubeClient;
  readonly #context: SourceContext;
  readonly #slices: readonly ObjectCache<ServiceRecord>[];
  readonly #importsFound = Promise.withResolvers<ObjectCache<ServiceRecord>>();
  #imports: ObjectCache<ServiceRecord> | undefined;

  /** @throws Error where there is neither a kubeconfig nor a pod's access. */
  static async open(kubeconfig: string | undefined, context: SourceContext): Promise<KubernetesSource> {
    const access = await accessOf(kubeconfig);
    return new KubernetesSource(new KubeClient(access, { log: context.log }), context);
  }

  constructor(client: KubeClient, context: SourceContext) {
    this.#client = client;
    this.#context = context;
    const { localNamespace } = context;
    this.#slices = [
      this.#follow('slice', endpointSlices, {
        labelSelector: mcsLabels.serviceName,
        // Those of the local namespace with both kinds of labels come from the other cache.
        project: object =>
          hasContractLabels(object, localNamespace) ? undefined : readSlice(object, localNamespace),
      }),
      this.#follow('local', endpointSlices, {
        namespace: localNamespace,
        labelSelector: hubLabels.serviceName,
        project: object => readSlice(object, localNamespace),
      }),
    ];
  }

  get synced(): boolean {
    return this.#imports?.hasSynced === true && this.#slices.every(cache => cache.hasSynced);
  }

  get lastContact(): number {
    const caches = [...this.#slices, ...(this.#imports ? [this.#imports] : [])];
    return Math.min(...caches.map(cache => cache.lastContact));
  }

  async untilSynced(signal: AbortSignal): Promise<void> {
    const imports = orAborted(this.#importsFound.promise, signal).then(cache => cache.synced(signal));
    await Promise.all([imports, ...this.#slices.map(cache => cache.synced(signal))]);
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#runImports(signal), ...this.#slices.map(cache => cache.run(signal))]);
    } finally {
      this.#client.close();
    }
  }

  /** Keys begin with the kind, so that they are the same in every life of the process. */
  #follow(
    kind: string,
    resource: Resource,
    options: Pick<
      ConstructorParameters<typeof ObjectCache<ServiceRecord>>[0],
      'namespace' | 'labelSelector' | 'project'
    >,
  ): ObjectCache<ServiceRecord> {
    const { log, catalog } = this.#context;
    const cache = new ObjectCache<ServiceRecord>({
      client: this.#client,
      resource,
      log,
      name: kind,
      ...options,
    });
    cache.subscribe(({ key, after }) => catalog.set(`${kind}:${key}`, after));
    return cache;
  }

  async #runImports(signal: AbortSignal): Promise<void> {
    const version = await findVersion(this.#client, this.#context.log, signal);
    if (version === undefined) return;
    this.#imports = this.#follow('import', { ...serviceImports, version }, { project: readImport });
    this.#importsFound.resolve(this.#imports);
    await this.#imports.run(signal);
  }
}

/** The version that the API server has; waits for it as long as it takes. @returns undefined when told to stop. */
async function findVersion(
  client: KubeClient,
  log: Logger,
  signal: AbortSignal,
): Promise<string | undefined> {
  const backoff = new Backoff({ minMs: 500, maxMs: 15_000 });
  while (!signal.aborted) {
    try {
      const group = await client.request({ method: 'GET', path: `/apis/${serviceImports.group}`, signal });
      const served = ((group as { versions?: { version?: string }[] }).versions ?? []).map(
        ({ version }) => version,
      );
      const version = importVersions.find(candidate => served.includes(candidate));
      if (version !== undefined) return version;
      log.warn({ served }, 'no version of ServiceImport that is known, waiting for one');
    } catch (error) {
      if (signal.aborted) return undefined;
      log.warn({ err: error }, 'ServiceImports cannot be read yet');
    }
    await sleep(backoff.next(), undefined, { signal }).catch(() => {});
  }
  return undefined;
}
