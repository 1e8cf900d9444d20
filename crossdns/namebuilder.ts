/** Puts the record sets of one service together, by name. Pure. */

import type { Service } from './catalog.ts';
import { labelsToWire } from './name.ts';
import { NameTable } from './nametable.ts';
import { concatOctets } from './octets.ts';
import { recordType } from './protocol.ts';
import type { PortRecord } from './records.ts';
import { addressRecord, RecordSet, record, srvData } from './recordset.ts';

/** One SRV record to be. */
export interface ServiceAddress extends PortRecord {
  readonly host: readonly string[];
  readonly priority: number;
  readonly weight: number;
  readonly addresses: readonly Uint8Array[];
}

/** What the records of a zone have in common. */
export interface ZoneTerms {
  /** The zone's name in wire form, with the closing zero. */
  readonly zone: Uint8Array;
  /** Seconds. */
  readonly ttl: number;
}

/** Gathers what is below a service's own name, and the SRV records at it. */
export class NameBuilder {
  services: RecordSet | undefined;
  readonly below = new NameTable<{ sets: RecordSet[] }>();
  readonly #ttl: number;
  readonly #suffix: Uint8Array;
  /** Glue by target, so that records of one target share it by identity. */
  readonly #glue = new Map<string, Uint8Array>();

  constructor(service: Service, { ttl, zone }: ZoneTerms) {
    this.#ttl = ttl;
    this.#suffix = concatOctets(wire([service.name, service.namespace, 'svc']), zone);
  }

  addAddresses(labels: readonly string[], sets: readonly RecordSet[]): void {
    for (const set of sets) this.#add(labels, set);
  }

  /** SRV records at `_port._protocol` for named ports, and one a distinct target and port at the name itself. */
  addServices(labels: readonly string[], services: readonly ServiceAddress[]): void {
    const named = Map.groupBy(
      services.filter(service => service.name !== ''),
      service => `_${service.name}._${service.protocol}`,
    );
    for (const [name, group] of named) this.#addSrv([...name.split('.'), ...labels], group);
    if (services.length > 0) this.#addSrv(labels, services);
  }

  #addSrv(labels: readonly string[], services: readonly ServiceAddress[]): void {
    const records: Uint8Array[] = [];
    const weights: number[] = [];
    const glue: Uint8Array[] = [];
    const seen = new Set<string>();
    for (const service of services) {
      const key = `${service.port} ${service.host.join('.')}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const target = concatOctets(wire(service.host), this.#suffix);
      if (target.length > 255) continue;
      const { priority, weight, port } = service;
      records.push(record(recordType.SRV, this.#ttl, srvData(priority, weight, port, target)));
      weights.push(weight);
      glue.push(this.#glueOf(service));
    }
    if (records.length === 0) return;
    const set = new RecordSet(recordType.SRV, records, weights, glue);
    if (labels.length === 0) this.services = set;
    else this.#add(labels, set);
  }

  #glueOf(service: ServiceAddress): Uint8Array {
    const key = service.host.join('.');
    let glue = this.#glue.get(key);
    if (glue === undefined) {
      glue = concatOctets(...service.addresses.map(address => addressRecord(this.#ttl, address)));
      this.#glue.set(key, glue);
    }
    return glue;
  }

  /** Adds the set, and the names between it and the service, which exist with it (RFC 8020). */
  #add(labels: readonly string[], set: RecordSet): void {
    const name = labelsToWire(labels);
    if (name === undefined || name.length + this.#suffix.length > 255) return;
    this.#node(name).sets.push(set);
    for (let i = 1; i < labels.length; i++) this.#node(wire(labels.slice(i)));
  }

  #node(name: Uint8Array): { sets: RecordSet[] } {
    let node = this.below.find(name);
    if (node === undefined) {
      node = { sets: [] };
      this.below.set(name, node);
    }
    return node;
  }
}

/** A record set of each family that is there. */
export function addressSets(
  ttl: number,
  addresses: readonly Uint8Array[],
  weights?: readonly number[],
): RecordSet[] {
  const sets: RecordSet[] = [];
  for (const [type, size] of [
    [recordType.A, 4],
    [recordType.AAAA, 16],
  ] as const) {
    const indexes = addresses.flatMap((address, i) => (address.length === size ? [i] : []));
    if (indexes.length === 0) continue;
    const records = indexes.map(i => addressRecord(ttl, addresses[i] as Uint8Array));
    sets.push(new RecordSet(type, records, weights && indexes.map(i => weights[i] ?? 1)));
  }
  return sets;
}

function wire(labels: readonly string[]): Uint8Array {
  const bytes = labelsToWire(labels);
  if (bytes === undefined) throw new Error(`Cannot use ${labels.join('.')} as a name`);
  return bytes;
}
