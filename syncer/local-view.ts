import type { Registry } from 'prom-client';
import { type KubeObject, objectKey, splitKey } from '../api/meta.ts';
import {
  endpointSlices,
  namespaces,
  pods,
  type Resource,
  serviceExports,
  serviceImports,
  services,
} from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import { ChangeTimes, changeTime } from './change-times.ts';
import { type ExportPlan, planExport } from './export-plan.ts';
import { type AddressStrategy, podAddresses } from './published-addresses.ts';
import {
  type AddressedPod,
  podsOf,
  readAddressedPod,
  samePodAddresses,
  secondaryAddresses,
} from './secondary-addresses.ts';
import { type ImportedSlice, readLocalSlice, type SourceSlice } from './slice-views.ts';
import {
  canonicalText,
  type DerivedService,
  type ExportView,
  type ImportView,
  readExport,
  readImport,
  readNamespace,
  readService,
  type SourceService,
} from './views.ts';

export type PublishedAddresses = 'pod' | 'secondary';

export interface LocalViewOptions {
  readonly client: KubeClient;
  readonly clusterId: string;
  readonly localNamespace: string;
  /** Which addresses of the pods the other clusters are told. */
  readonly addresses: PublishedAddresses;
  readonly log: Logger;
  readonly metrics?: Registry | undefined;
}

/** What this cluster has: its exports and their Services, and what syncers have made here. */
export class LocalView {
  readonly client: KubeClient;
  readonly clusterId: string;
  readonly localNamespace: string;
  readonly exports: ObjectCache<ExportView>;
  readonly services: ObjectCache<SourceService | DerivedService>;
  readonly slices: ObjectCache<SourceSlice | ImportedSlice>;
  readonly imports: ObjectCache<ImportView>;
  /** Whether objects can be created in a namespace that exists. */
  readonly namespaces: ObjectCache<boolean>;
  /** Those with a secondary address, where that is what is published. */
  readonly pods: ObjectCache<AddressedPod> | undefined;
  readonly #addresses: AddressStrategy;
  readonly #changes = new ChangeTimes();
  /** Why an object cannot be read, by plural and key. */
  readonly #unreadable = new Map<string, string>();

  constructor({ client, clusterId, localNamespace, addresses, log, metrics }: LocalViewOptions) {
    this.client = client;
    this.clusterId = clusterId;
    this.localNamespace = localNamespace;
    const common = { client, log, metrics };
    const watched = log.child({ side: 'local' });
    this.pods =
      addresses === 'pod'
        ? undefined
        : new ObjectCache({
            ...common,
            resource: pods,
            project: readAddressedPod,
            unchanged: samePodAddresses,
          });
    this.#addresses = this.pods === undefined ? podAddresses : secondaryAddresses(key => this.pods?.get(key));
    this.exports = new ObjectCache({
      ...common,
      resource: serviceExports,
      project: this.#reading(serviceExports, readExport, watched),
      indexes: { namespace: view => [view.namespace] },
    });
    this.services = new ObjectCache({
      ...common,
      resource: services,
      project: this.#reading(services, readService, watched),
      indexes: { derivedFor: view => (view.kind === 'derived' ? [view.service] : []) },
      unchanged: (before, after) => canonicalText(before) === canonicalText(after),
    });
    this.slices = new ObjectCache<SourceSlice | ImportedSlice>({
      ...common,
      resource: endpointSlices,
      project: object => readLocalSlice(object, localNamespace),
      indexes: {
        service: slice => (slice.kind === 'source' ? [slice.service] : []),
        imported: slice => (slice.kind === 'imported' ? [slice.service] : []),
        namespace: slice => (slice.kind === 'imported' ? [splitKey(slice.service).namespace ?? ''] : []),
        ...(this.pods === undefined ? {} : { pod: podsOfSlice }),
      },
      unchanged: sameSlice,
    });
    this.imports = new ObjectCache({
      ...common,
      resource: serviceImports,
      project: readImport,
      indexes: { namespace: view => [view.namespace] },
    });
    this.namespaces = new ObjectCache({
      ...common,
      resource: namespaces,
      project: readNamespace,
      unchanged: (before, after) => before === after,
    });
    this.#noteChanges();
  }

  get #caches(): readonly ObjectCache<unknown>[] {
    return [
      this.exports,
      this.services,
      this.slices,
      this.imports,
      this.namespaces,
      ...(this.pods === undefined ? [] : [this.pods]),
    ] as ObjectCache<unknown>[];
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

  /** @param service `namespace/name` */
  exportPlan(service: string): ExportPlan {
    return planExport({
      clusterId: this.clusterId,
      export: this.exports.get(service),
      service: this.services.get(service),
      unreadable:
        this.#unreadable.get(objectId(serviceExports, service)) ??
        this.#unreadable.get(objectId(services, service)),
      slices: this.slices
        .byIndex('service', service)
        .filter(slice => slice.kind === 'source')
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
      addresses: this.#addresses,
    });
  }

  /** Slices of Services that a pod is behind; none where the pods' secondary addresses are not published. */
  slicesOfPod(pod: string): readonly SourceSlice[] {
    if (this.pods === undefined) return [];
    return this.slices.byIndex('pod', pod).filter(slice => slice.kind === 'source');
  }

  importedSlices(service: string): readonly ImportedSlice[] {
    return this.slices.byIndex('imported', service).filter(slice => slice.kind === 'imported');
  }

  derivedServices(service: string): readonly DerivedService[] {
    return this.services.byIndex('derivedFor', service).filter(view => view.kind === 'derived');
  }

  /** When the last change happened that a published slice of a Service may show; RFC 3339 with milliseconds. */
  changedAt(service: string, sliceName: string): string | undefined {
    const slice = objectKey(splitKey(service).namespace, sliceName);
    return this.#changes.latest([
      objectId(serviceExports, service),
      objectId(services, service),
      objectId(endpointSlices, slice),
    ]);
  }

  /** Nobody can tell of what a first list shows when it came to be. */
  #noteChanges(): void {
    this.slices.subscribe(({ key, before, after }) => {
      const trigger = after?.kind === 'source' ? after.trigger : undefined;
      const former = before?.kind === 'source' ? before.trigger : undefined;
      const seen = this.slices.hasSynced ? Date.now() : undefined;
      const time = after?.kind === 'source' ? changeTime(trigger, former, seen) : undefined;
      this.#changes.note(objectId(endpointSlices, key), time);
    });
    this.pods?.subscribe(({ key }) => {
      if (!this.pods?.hasSynced) return;
      for (const { namespace, name } of this.slicesOfPod(key)) {
        this.#changes.note(objectId(endpointSlices, objectKey(namespace, name)), Date.now());
      }
    });
    const noteSight = (resource: Resource, cache: ObjectCache<unknown>) =>
      cache.subscribe(({ key, after }) => {
        const time = cache.hasSynced && after !== undefined ? Date.now() : undefined;
        this.#changes.note(objectId(resource, key), time);
      });
    noteSight(services, this.services as ObjectCache<unknown>);
    // The status of an export changes nothing that is published: only its creation counts.
    this.exports.subscribe(({ key, before, after }) => {
      if (after === undefined) this.#changes.note(objectId(serviceExports, key), undefined);
      else if (before?.generation !== after.generation && this.exports.hasSynced) {
        this.#changes.note(objectId(serviceExports, key), Date.now());
      }
    });
  }

  #reading<P>(resource: Resource, read: (object: KubeObject) => P, log: Logger): (object: KubeObject) => P {
    return object => {
      const { namespace, name = '' } = object.metadata;
      const id = objectId(resource, objectKey(namespace, name));
      try {
        const view = read(object);
        this.#unreadable.delete(id);
        return view;
      } catch (error) {
        this.#unreadable.set(id, (error as Error).message);
        log.debug({ object: id }, 'object cannot be read');
        throw error;
      }
    };
  }
}

function podsOfSlice(slice: SourceSlice | ImportedSlice): readonly string[] {
  return slice.kind === 'source' ? podsOf(slice.namespace, slice.text) : [];
}

function objectId(resource: Resource, key: string): string {
  return `${resource.plural}/${key}`;
}

function sameSlice(before: SourceSlice | ImportedSlice, after: SourceSlice | ImportedSlice): boolean {
  if (before.service !== after.service) return false;
  if (before.kind === 'source') {
    return after.kind === 'source' && before.text === after.text && before.trigger === after.trigger;
  }
  return (
    after.kind === 'imported' &&
    before.fingerprint === after.fingerprint &&
    before.clusterId === after.clusterId
  );
}
