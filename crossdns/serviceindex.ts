import type { Catalog, Service } from './catalog.ts';
import { existsIn, type ZoneForm } from './compile.ts';
import { labelsToWire } from './name.ts';
import { NameTable } from './nametable.ts';

/** A service as names find it. */
export interface Entry {
  readonly service: Service;
  /** Whether it has any name in zones of the form. */
  readonly exists: Readonly<Record<ZoneForm, boolean>>;
}

const forms = ['mcs', 'endpoints'] as const;
const nowhere: Entry['exists'] = { mcs: false, endpoints: false };

/** Finds services and namespaces by the octets of a question's name. Shared by all zones. */
export class ServiceIndex {
  /** By `<service>.<namespace>` in wire form. */
  readonly #services = new NameTable<Entry>();
  /** How many services each namespace has in zones of each form. */
  readonly #namespaces = new NameTable<Record<ZoneForm, number>>();

  constructor(catalog: Catalog) {
    for (const service of catalog.services()) this.#update(service);
    catalog.subscribe(service => this.#update(service));
  }

  /** The service at `<service>.<namespace>` in `name` from `start` to `end`. */
  service(name: Uint8Array, start: number, end: number): Entry | undefined {
    return this.#services.get(name, start, end);
  }

  /** Whether the namespace has any name in zones of a form. */
  hasNamespace(name: Uint8Array, start: number, end: number, form: ZoneForm): boolean {
    return (this.#namespaces.get(name, start, end)?.[form] ?? 0) > 0;
  }

  #update(service: Service): void {
    const name = labelsToWire([service.name, service.namespace]);
    const namespace = labelsToWire([service.namespace]);
    if (name === undefined || namespace === undefined) return;
    const before = this.#services.find(name)?.exists ?? nowhere;
    const exists = { mcs: existsIn(service, 'mcs'), endpoints: existsIn(service, 'endpoints') };
    if (exists.mcs || exists.endpoints) this.#services.set(name, { service, exists });
    else this.#services.delete(name);
    this.#count(namespace, before, exists);
  }

  #count(namespace: Uint8Array, before: Entry['exists'], after: Entry['exists']): void {
    const counts = this.#namespaces.find(namespace) ?? { mcs: 0, endpoints: 0 };
    for (const form of forms) counts[form] += Number(after[form]) - Number(before[form]);
    if (counts.mcs === 0 && counts.endpoints === 0) this.#namespaces.delete(namespace);
    else this.#namespaces.set(namespace, counts);
  }
}
