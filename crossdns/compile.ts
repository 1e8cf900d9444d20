/** From a service's objects to the records of every name under it, in one zone. Pure. */

import { addressBytes } from './address.ts';
import type { Service } from './catalog.ts';
import { type Candidate, candidatesOf, chooseEndpoints, type Locality } from './choose.ts';
import { addressSets, NameBuilder, type ServiceAddress, type ZoneTerms } from './namebuilder.ts';
import type { NameTable } from './nametable.ts';
import type { ImportRecord } from './records.ts';
import type { RecordSet } from './recordset.ts';

/** What exists at one name. A name without any record set is an empty non-terminal. */
export interface Node {
  readonly sets: readonly RecordSet[];
  /** SRV records of the name, made when they are first asked for; undefined where there are none. */
  readonly services?: RecordSet | undefined;
}

/**
 * `mcs`: KEP-1645 to the letter. `endpoints`: every service answers its ready endpoints, and `<cluster>.<service>`
 * those of one cluster.
 */
export type ZoneForm = 'mcs' | 'endpoints';

export interface CompileOptions extends ZoneTerms {
  readonly form: ZoneForm;
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

/**
 * Compiles the addresses of the service's own name, which is what nearly all clients ask for. All else is made when it
 * is asked for: a service of ten endpoints has fifteen names, and 30 KB of records.
 */
export function compileService(service: Service, options: CompileOptions): CompiledService {
  const { form, ttl } = options;
  const imported = service.import;
  if (form === 'mcs' && imported?.type === 'ClusterSetIP') {
    const sets = addressSets(ttl, imported.ips.map(addressBytes));
    return new Compiled(sets, () => importNames(service, imported, options));
  }
  const sets = endpointAddresses(ttl, chosenOf(service, candidatesOf(service), options));
  return new Compiled(sets, () => endpointNames(service, options));
}

/** One service in one zone; what is not of its addresses is made at the first question for it. */
class Compiled implements CompiledService, Node {
  readonly sets: readonly RecordSet[];
  readonly #make: () => NameBuilder;
  #names: NameBuilder | undefined;

  constructor(sets: readonly RecordSet[], make: () => NameBuilder) {
    this.sets = sets;
    this.#make = make;
  }

  get apex(): Node {
    return this;
  }

  get services(): RecordSet | undefined {
    return this.#all.services;
  }

  get below(): NameTable<Node> {
    return this.#all.below;
  }

  get #all(): NameBuilder {
    this.#names ??= this.#make();
    return this.#names;
  }
}

/** The names of a service that answers the addresses of its import. */
function importNames(service: Service, { ports, ips }: ImportRecord, options: CompileOptions): NameBuilder {
  const names = new NameBuilder(service, options);
  const addresses = ips.map(addressBytes);
  names.addServices(
    [],
    ports.map(port => ({ ...port, host: [], priority: 0, weight: 1, addresses })),
  );
  return names;
}

/** The names of a service that answers its ready endpoints. */
function endpointNames(service: Service, options: CompileOptions): NameBuilder {
  const names = new NameBuilder(service, options);
  const { form, ttl } = options;
  const candidates = candidatesOf(service);
  const hosts = hostsOf(candidates);
  for (const { labels, addresses } of hosts) names.addAddresses(labels, addressSets(ttl, addresses));
  if (form === 'endpoints') {
    for (const [cluster, own] of Map.groupBy(hosts, host => host.cluster)) {
      const labels = cluster.split('.');
      const endpoints = own.flatMap(host => host.candidates);
      names.addAddresses(labels, endpointAddresses(ttl, endpoints));
      names.addServices(labels, servicesOf(own));
    }
  }
  names.addServices([], servicesOf(hosts, new Set(chosenOf(service, candidates, options))));
  return names;
}

function chosenOf(
  service: Service,
  candidates: readonly Candidate[],
  { locality }: CompileOptions,
): readonly Candidate[] {
  return chooseEndpoints(candidates, service.import?.preferClose ?? false, locality);
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
    const { cluster } = candidate;
    for (const { name, addresses } of hostNames(candidate)) {
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

/** The name of an endpoint's host in its cluster, with its addresses; without a hostname each address has its own. */
export function hostNames({
  endpoint: { hostname, addresses },
}: Pick<Candidate, 'endpoint'>): readonly { readonly name: string; readonly addresses: readonly string[] }[] {
  if (hostname !== undefined) return [{ name: hostname, addresses }];
  return addresses.map(address => ({ name: dashed(address), addresses: [address] }));
}

/** `10.1.2.3` → `10-1-2-3`, `fd00::1` → `fd00--1`; a label neither begins nor ends with a dash. */
function dashed(address: string): string {
  return address.toLowerCase().replaceAll(/[.:]/g, '-').replace(/^-/, '0-').replace(/-$/, '-0');
}

/** Record sets of the addresses of endpoints, each address once, by the weight of its endpoint. */
function endpointAddresses(ttl: number, candidates: readonly Candidate[]): RecordSet[] {
  const addresses: Uint8Array[] = [];
  const weights: number[] = [];
  const seen = new Set<string>();
  for (const { endpoint, weight } of candidates) {
    for (const text of endpoint.addresses) {
      const address = addressBytes(text);
      const key = address.toString();
      if (seen.has(key)) continue;
      seen.add(key);
      addresses.push(address);
      weights.push(weight);
    }
  }
  return addressSets(ttl, addresses, weights);
}

/** Hosts × ports, of all their endpoints or of those that are chosen. */
function servicesOf(hosts: readonly Host[], chosen?: ReadonlySet<Candidate>): ServiceAddress[] {
  const services: ServiceAddress[] = [];
  for (const { labels, candidates, addresses } of hosts) {
    for (const candidate of candidates) {
      if (chosen !== undefined && !chosen.has(candidate)) continue;
      const { ports, priority, weight } = candidate;
      for (const port of ports) services.push({ ...port, host: labels, priority, weight, addresses });
    }
  }
  return services;
}

function addDistinct(addresses: Uint8Array[], address: Uint8Array): void {
  if (!addresses.some(other => Buffer.compare(other, address) === 0)) addresses.push(address);
}
