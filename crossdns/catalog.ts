import type { ImportRecord, ServiceRecord, SliceRecord } from './records.ts';

/** One multi-cluster service, as its objects say. */
export class Service {
  readonly namespace: string;
  readonly name: string;
  readonly imports = new Map<string, ImportRecord>();
  readonly slices = new Map<string, SliceRecord>();
  /** What was compiled of it, by zone; emptied by every change. Belongs to the zones. */
  readonly compiled: unknown[] = [];

  constructor(namespace: string, name: string) {
    this.namespace = namespace;
    this.name = name;
  }

  /** There is one in a cluster; where several sources bring their own, the first by key counts. */
  get import(): ImportRecord | undefined {
    if (this.imports.size < 2) return this.imports.values().next().value;
    const first = [...this.imports.keys()].sort()[0] as string;
    return this.imports.get(first);
  }

  get hasReadyEndpoint(): boolean {
    for (const slice of this.slices.values()) if (slice.endpoints.length > 0) return true;
    return false;
  }
}

/** Told what an object says now, and of the service that it belongs to, or belonged to. */
export type CatalogListener = (service: Service, key: string, record: ServiceRecord | undefined) => void;

/**
 * All services that the sources know of. Everything that answers or stores is told of each change, one service at a
 * time, so that a change costs work for that service only.
 */
export class Catalog {
  readonly #services = new Map<string, Service>();
  /** The service that an object belonged to last, by the object's key. */
  readonly #owners = new Map<string, Service>();
  readonly #listeners = new Set<CatalogListener>();
  /** Keys that were adopted and that no source has spoken of yet. */
  readonly #unclaimed = new Set<string>();

  get size(): number {
    return this.#services.size;
  }

  services(): IterableIterator<Service> {
    return this.#services.values();
  }

  get(namespace: string, name: string): Service | undefined {
    return this.#services.get(`${namespace}/${name}`);
  }

  /**
   * Sets what an object says now.
   *
   * @param key names the object uniquely over all sources.
   * @param record undefined where the object is gone or says nothing about DNS.
   */
  set(key: string, record: ServiceRecord | undefined): void {
    this.#unclaimed.delete(key);
    this.#put(key, record);
  }

  /** Takes what was known in an earlier life, until a source says otherwise. What a source said already stays. */
  adopt(key: string, record: ServiceRecord): void {
    if (this.#owners.has(key)) return;
    this.#put(key, record);
    this.#unclaimed.add(key);
  }

  /** Forgets what was adopted and no source has: to be called when all have said everything. @returns how many. */
  dropUnclaimed(): number {
    const count = this.#unclaimed.size;
    for (const key of this.#unclaimed) this.#put(key, undefined);
    this.#unclaimed.clear();
    return count;
  }

  #put(key: string, record: ServiceRecord | undefined): void {
    const before = this.#owners.get(key);
    const after = record && this.#service(record);
    if (before !== undefined) {
      before.imports.delete(key);
      before.slices.delete(key);
      if (before !== after) this.#changed(before, key, undefined);
    }
    if (record === undefined || after === undefined) {
      this.#owners.delete(key);
      return;
    }
    if (record.kind === 'import') after.imports.set(key, record);
    else after.slices.set(key, record);
    this.#owners.set(key, after);
    this.#changed(after, key, record);
  }

  has(key: string): boolean {
    return this.#owners.has(key);
  }

  /** Every object with its key. */
  *entries(): IterableIterator<[key: string, record: ServiceRecord]> {
    for (const service of this.#services.values()) {
      yield* service.imports;
      yield* service.slices;
    }
  }

  /** Calls back with every change; a service without objects is gone. */
  subscribe(listener: CatalogListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #service(record: ServiceRecord): Service {
    const key = `${record.namespace}/${record.service}`;
    let service = this.#services.get(key);
    if (service === undefined) {
      service = new Service(record.namespace, record.service);
      this.#services.set(key, service);
    }
    return service;
  }

  #changed(service: Service, key: string, record: ServiceRecord | undefined): void {
    service.compiled.length = 0;
    if (service.imports.size === 0 && service.slices.size === 0) {
      this.#services.delete(`${service.namespace}/${service.name}`);
    }
    for (const listener of this.#listeners) listener(service, key, record);
  }
}
