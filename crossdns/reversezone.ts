import { addressBits, formatAddress } from '../ipam/address.ts';
import { type Cidr, cidrSize } from '../ipam/cidr.ts';
import { addressBytes } from './address.ts';
import type { AddressIndex } from './addressindex.ts';
import type { Service } from './catalog.ts';
import { hostNames, type Node, type ZoneForm } from './compile.ts';
import type { Query } from './message.ts';
import { nameToWire } from './name.ts';
import { recordType } from './protocol.ts';
import { RecordSet, record } from './recordset.ts';
import { emptyNonTerminal, Zone, type ZoneOptions } from './zone.ts';

/** The zones of services that names are given of. */
export interface NamedZone {
  readonly name: string;
  readonly form: ZoneForm;
}

/**
 * The reverse zones of a network: a label is an octet of an IPv4 address, four bits of an IPv6 address (RFC 1035
 * section 3.5, RFC 3596 section 2.5). Where the prefix ends within a label there are up to 128 zones.
 */
export function reverseZoneNames(network: Cidr): string[] {
  const { family, base } = network;
  const step = family === 4 ? 8 : 4;
  const prefix = Math.ceil(network.prefix / step) * step;
  const count = Number(cidrSize(network) >> BigInt(addressBits(family) - prefix));
  const size = 1n << BigInt(addressBits(family) - prefix);
  return Array.from({ length: count }, (_, i) => {
    const bytes = addressBytes(formatAddress({ family, value: base + BigInt(i) * size }));
    const labels =
      family === 4
        ? [...bytes].map(String)
        : [...bytes].flatMap(octet => [(octet >> 4).toString(16), (octet & 15).toString(16)]);
    const own = labels.slice(0, prefix / step).reverse();
    return [...own, family === 4 ? 'in-addr' : 'ip6', 'arpa'].join('.');
  });
}

/**
 * Answers PTR for addresses of services, from the objects as they are when it is asked. Every name between the zone's
 * and that of an address exists, with nothing at it.
 */
export class ReverseZone extends Zone {
  readonly #ttl: number;
  readonly #addresses: AddressIndex;
  readonly #named: readonly NamedZone[];
  readonly #apex: Node;

  /** @throws Error where a name is not legal. */
  constructor(
    options: ZoneOptions,
    index: number,
    { addresses, named }: { readonly addresses: AddressIndex; readonly named: readonly NamedZone[] },
  ) {
    super(options, index);
    this.#ttl = options.ttl;
    this.#addresses = addresses;
    this.#named = named;
    const ns = new RecordSet(recordType.NS, [record(recordType.NS, options.ttl, this.server)]);
    this.#apex = { sets: [this.soa, ns] };
  }

  override find(query: Query): Node | undefined {
    if (query.labelCount === this.labelCount) return this.#apex;
    const isV6 = this.name.endsWith('ip6.arpa');
    const address = isV6 ? readNibbles(query) : readOctets(query);
    if (address === undefined) return undefined;
    if (address.length < (isV6 ? 32 : 4)) return emptyNonTerminal;
    const targets = this.#targets(isV6 ? joinNibbles(address) : Uint8Array.from(address));
    if (targets.length === 0) return undefined;
    const records = targets.map(target => record(recordType.PTR, this.#ttl, target));
    return { sets: [new RecordSet(recordType.PTR, records)] };
  }

  /** Names of an address, in wire form. */
  #targets(address: Uint8Array): Uint8Array[] {
    const names = new Set<string>();
    for (const service of this.#addresses.services(address)) {
      for (const name of namesOf(service, address, this.#named)) names.add(name);
    }
    return [...names].flatMap(name => nameToWire(name) ?? []);
  }
}

/** The names that answer the address: of a host, and of the service whose virtual address it is. */
function namesOf(service: Service, address: Uint8Array, zones: readonly NamedZone[]): string[] {
  const isIt = (text: string) => Buffer.compare(addressBytes(text), address) === 0;
  const below = (zone: NamedZone) => `${service.name}.${service.namespace}.svc.${zone.name}`;
  const isVirtual = service.import?.type === 'ClusterSetIP';
  const names: string[] = [];
  const strict = zones.find(({ form }) => form === 'mcs');
  if (strict !== undefined && isVirtual && service.import?.ips.some(isIt)) names.push(below(strict));
  // In zones of the form `mcs` only headless services have hosts.
  const withHosts = zones.find(({ form }) => form === 'endpoints' || (service.import && !isVirtual));
  if (withHosts === undefined) return names;
  for (const { cluster, endpoints } of service.slices.values()) {
    for (const endpoint of endpoints) {
      for (const { name, addresses } of hostNames({ endpoint })) {
        if (addresses.some(isIt)) names.push(`${name}.${cluster}.${below(withHosts)}`);
      }
    }
  }
  return names;
}

/** The octets that the labels before `in-addr.arpa` say, first octet first; undefined where one is no octet. */
function readOctets(query: Query): number[] | undefined {
  const octets: number[] = [];
  for (let i = query.labelCount - 3; i >= 0; i--) {
    const text = labelText(query, i);
    if (!/^(0|[1-9]\d{0,2})$/.test(text) || Number(text) > 255) return undefined;
    octets.push(Number(text));
  }
  return octets.length > 4 ? undefined : octets;
}

/** The groups of four bits that the labels before `ip6.arpa` say, the first of the address first. */
function readNibbles(query: Query): number[] | undefined {
  const nibbles: number[] = [];
  for (let i = query.labelCount - 3; i >= 0; i--) {
    const text = labelText(query, i);
    if (!/^[0-9a-f]$/.test(text)) return undefined;
    nibbles.push(Number.parseInt(text, 16));
  }
  return nibbles.length > 32 ? undefined : nibbles;
}

function joinNibbles(nibbles: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => ((nibbles[i * 2] ?? 0) << 4) | (nibbles[i * 2 + 1] ?? 0));
}

function labelText({ name, labels }: Query, label: number): string {
  const at = labels[label] as number;
  return Buffer.from(name.subarray(at + 1, at + 1 + (name[at] as number))).toString('latin1');
}
