import { type Address, formatAddress, parseAddress } from '../ipam/address.ts';
import { parseMac } from './mac.ts';

/** What a pod has on the secondary network. */
export interface Assignment {
  /** One of each family of the network, IPv4 first. */
  readonly addresses: readonly Address[];
  readonly mac: string;
  /** It passes on what others send: it has the gateway's addresses, or is a candidate, who takes them when elected. */
  readonly gateway: boolean;
}

/** `<mac> <ip> [<ip>]`: how OVN writes what a port has, in `addresses` and `port_security`. */
export function portAddress({ mac, addresses }: Pick<Assignment, 'mac' | 'addresses'>): string {
  return [mac, ...addresses.map(formatAddress)].join(' ');
}

/** Reads what {@link portAddress} writes. @returns undefined for everything else that OVN takes there. */
export function parsePortAddress(
  text: string,
): { readonly mac: string; readonly addresses: readonly Address[] } | undefined {
  const [first = '', ...rest] = text.trim().split(/\s+/);
  const mac = parseMac(first);
  const addresses = rest.map(part => parseAddress(part));
  if (mac === undefined || addresses.length === 0) return undefined;
  return addresses.every(address => address !== undefined) ? { mac, addresses } : undefined;
}

/** Every address that a port of anybody claims, whatever else stands there (`dynamic`, `unknown`, `router`). */
export function addressesIn(texts: readonly string[]): readonly Address[] {
  return texts.flatMap(text =>
    text.split(/\s+/).flatMap(part => parseAddress(part.split('/', 1)[0] ?? '') ?? []),
  );
}
