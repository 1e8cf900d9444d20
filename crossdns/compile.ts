/** From a service's objects to the records of every name under it, in one zone. Pure. */

import { addressBytes } from './address.ts';
import type { Service } from './catalog.ts';
import { type Candidate, candidatesOf, chooseEndpoints, type Locality } from './choose.ts';
import { labelsToWire } from './name.ts';
import { NameTable } from './nametable.ts';
import { recordType } from './protocol.ts';
import { addressRecord, RecordSet, record, srvData } from './recordset.ts';

/** What exists at one name. A name without any record set is an empty non-terminal. */
export interface Node {
  readonly sets: readonly RecordSet[];
}

/**
 * `mcs`: KEP-1645 to the letter. `endpoints`: every service answers its ready endpoints, and `<cluster>.<service>`
 * those of one cluster.
 */
export type ZoneForm = 'mcs' | 'endpoints';

export interface CompileOptions {
  readonly form: ZoneForm;
  /** The zone's name in wire form, with the closing zero. */
  readonly zone: Uint8Array;
  /** Seconds. */
  readonly ttl: number;
  readonly locality: Locality;
}

/** The answers of one service in one zone: its own name, and the names under it by their relative wire form. */
export interface CompiledService {
  readonly apex: Node;
  readonly below: NameTable<Node>;
}

/**
 * Whether a service has any name in zones of a form. In the form `mcs` only an import makes a service exist;
 * names of endpoints exist while one is ready.
 */
export function existsIn(service: Service, form: ZoneForm): boolean {
  const imported = service.import;
  if (form === 'endpoints') return service.hasReadyEndpoint;
  return imported !== undefined && (imported.type === 'ClusterSetIP' || service.hasReadyEndpoint);
}

export function compileService(service: Service, options: CompileOptions): CompiledService {
  const names = new NameBuilder(service, options);
  const imported = service.import;
  if (options.form === 'mcs' && imported?.type === 'ClusterSetIP') {
    const addresses = imported.ips.map(addressBytes);
    names.addAddresses([], addresses);
    names.addServices(
      [],
      imported.ports.map(port => ({ ...port, host: [], priority: 0, weight: 1, addresses })),
    );
    return names.build();
  }
  const candidates = candidatesOf(service);
  const hosts = hostsOf(candidates);
  addHostNames(names, hosts);
  if (options.form === 'endpoints') addClusterNames(names, hosts);
  addEndpoints(names, [], chooseHosts(hosts, candidates, imported?.preferClose ?? false, options.locality));
  return names.build();
}

/** The endpoints that share a host name in a cluster. */
interface Host {
  /** Labels relative to the service: host name, then the one or two of the cluster. */
  readonly labels: readonly string[];
  readonly cluster: string;
  readonly candidates: Candidate[];
  readonly addresses: Uint8Array[];
}

function hostsOf(candidates: readonly Candidate[]): Host[] {
  const hosts = new Map<string, Host>();
  for (const candidate of candidates) {
    const { cluster, endpoint } = candidate;
    const names =
      endpoint.hostname === undefined
        ? endpoint.addresses.map(address => ({ name: dashed(address), addresses: [address] }))
        : [{ name: endpoint.hostname, addresses: endpoint.addresses }];
    for (const { name, addresses } of names) {
      const key = `${name}.${cluster}`;
      let host = hosts.get(key);
      if (host === undefined) {
        host = { labels: key.split('.'), cluster, candidates: [], addresses: [] };
        hosts.set(key, host);
      }
      host.candidates.push(candidate);
      for (const address of addresses) addDistinct(host.addresses, addressBytes(address));
    }
  }
  return [...hosts.values()];
}

/** `10.1.2.3` → `10-1-2-3`, `fd00::1` → `fd00--1`; a label neither begins nor ends with a dash. */
function dashed(address: string): string {
  return address.toLowerCase().replaceAll(/[.:]/g, '-').replace(/^-/, '0-').replace(/-$/, '-0');
}

function chooseHosts(
  hosts: readonly Host[],
  candidates: readonly Candidate[],
  preferClose: boolean,
  locality: Locality,
): Host[] {
  const chosen = new Set(chooseEndpoints(candidates, preferClose, locality));
  const kept: Host[] = [];
  for (const host of hosts) {
    const own = host.candidates.filter(candidate => chosen.has(candidate));
    if (own.length > 0) kept.push({ ...host, candidates: own });
  }
  return kept;
}

function addHostNames(names: NameBuilder, hosts: readonly Host[]): void {
  for (const host of hosts) names.addAddresses(host.labels, host.addresses);
}

function addClusterNames(names: NameBuilder, hosts: readonly Host[]): void {
  const byCluster = Map.groupBy(hosts, host => host.cluster);
  for (const [cluster, own] of byCluster) addEndpoints(names, cluster.split('.'), own);
}

/** Addresses and SRV records of the hosts at one name and its `_port._protocol` names. */
function addEndpoints(names: NameBuilder, labels: readonly string[], hosts: readonly Host[]): void {
  const addresses: Uint8Array[] = [];
  const weights: number[] = [];
  const seen = new Set<string>();
  for (const host of hosts) {
    for (const { endpoint, weight } of host.candidates) {
      for (const text of endpoint.addresses) {
        const address = addressBytes(text);
        const key = address.toString();
        if (seen.has(key)) continue;
        seen.add(key);
        addresses.push(address);
        weights.push(weight);
      }
    }
  }
  names.addAddresses(labels, addresses, weights);
  names.addServices(
    labels,
    hosts.flatMap(host =>
      host.candidates.flatMap(({ ports, priority, weight }) =>
        ports.map(port => ({
          ...port,
          host: host.labels,
          priority,
          weight,
          addresses: host.addresses,
        })),
      ),
    ),
  );
}

/** One SRV record to be. */
interface ServiceAddress {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly host: readonly string[];
  readonly priority: number;
  readonly weight: number;
  readonly addresses: readonly Uint8Array[];
}

class NameBuilder {
  readonly #options: CompileOptions;
  readonly #suffix: Uint8Array;
  readonly #apex: RecordSet[] = [];
  readonly #below = new NameTable<{ sets: RecordSet[] }>();
  /** Glue by target, so that records of one target share it by identity. */
  readonly #glue = new Map<string, Uint8Array>();

  constructor(service: Service, options: CompileOptions) {
    this.#options = options;
    this.#suffix = Buffer.concat([wire([service.name, service.namespace, 'svc']), options.zone]);
  }

  build(): CompiledService {
    return { apex: { sets: this.#apex }, below: this.#below };
  }

  addAddresses(
    labels: readonly string[],
    addresses: readonly Uint8Array[],
    weights?: readonly number[],
  ): void {
    for (const [type, size] of [
      [recordType.A, 4],
      [recordType.AAAA, 16],
    ] as const) {
      const indexes = addresses.flatMap((address, i) => (address.length === size ? [i] : []));
      if (indexes.length === 0) continue;
      const records = indexes.map(i => addressRecord(this.#options.ttl, addresses[i] as Uint8Array));
      this.#add(labels, new RecordSet(type, records, weights && indexes.map(i => weights[i] ?? 1)));
    }
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
      const target = Buffer.concat([wire(service.host), this.#suffix]);
      if (target.length > 255) continue;
      const { priority, weight, port } = service;
      records.push(record(recordType.SRV, this.#options.ttl, srvData(priority, weight, port, target)));
      weights.push(weight);
      glue.push(this.#glueOf(service));
    }
    if (records.length > 0) this.#add(labels, new RecordSet(recordType.SRV, records, weights, glue));
  }

  #glueOf(service: ServiceAddress): Uint8Array {
    const key = service.host.join('.');
    let glue = this.#glue.get(key);
    if (glue === undefined) {
      glue = Buffer.concat(service.addresses.map(address => addressRecord(this.#options.ttl, address)));
      this.#glue.set(key, glue);
    }
    return glue;
  }

  /** Adds the set, and the names between it and the service, which exist with it (RFC 8020). */
  #add(labels: readonly string[], set: RecordSet): void {
    if (labels.length === 0) {
      this.#apex.push(set);
      return;
    }
    const name = labelsToWire(labels);
    if (name === undefined || name.length + this.#suffix.length > 255) return;
    this.#node(name).sets.push(set);
    for (let i = 1; i < labels.length; i++) this.#node(wire(labels.slice(i)));
  }

  #node(name: Uint8Array): { sets: RecordSet[] } {
    let node = this.#below.find(name);
    if (node === undefined) {
      node = { sets: [] };
      this.#below.set(name, node);
    }
    return node;
  }
}

function wire(labels: readonly string[]): Uint8Array {
  const bytes = labelsToWire(labels);
  if (bytes === undefined) throw new Error(`Cannot use ${labels.join('.')} as a name`);
  return bytes;
}

function addDistinct(addresses: Uint8Array[], address: Uint8Array): void {
  if (!addresses.some(other => Buffer.compare(other, address) === 0)) addresses.push(address);
}
