import { type Address, addressBits, type Family, formatAddress, parseAddress } from './address.ts';

/** A block of addresses. `base` has no bit set behind the prefix. */
export interface Cidr {
  readonly family: Family;
  readonly base: bigint;
  readonly prefix: number;
}

/**
 * Reads `10.113.0.0/16` or `fd00:10:113::/64`. Bits behind the prefix must be zero: `10.113.0.7/16` is more often a
 * slip than a block.
 *
 * @returns undefined for text that is not a block.
 */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = parseAddress(match?.[1] ?? '');
  if (match === null || address === undefined) return undefined;
  const cidr = { family: address.family, base: address.value, prefix: Number(match[2]) };
  if (cidr.prefix > addressBits(cidr.family)) return undefined;
  return cidr.base % cidrSize(cidr) === 0n ? cidr : undefined;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ family: cidr.family, value: cidr.base })}/${cidr.prefix}`;
}

/** How many addresses it holds, network and broadcast addresses included. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(addressBits(cidr.family) - cidr.prefix);
}

export function cidrHas(cidr: Cidr, address: Address): boolean {
  const offset = address.value - cidr.base;
  return address.family === cidr.family && offset >= 0n && offset < cidrSize(cidr);
}

/** Whether every address of `inner` is in `outer`. */
export function cidrHasCidr(outer: Cidr, inner: Cidr): boolean {
  return inner.prefix >= outer.prefix && cidrHas(outer, { family: inner.family, value: inner.base });
}

export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrHasCidr(a, b) || cidrHasCidr(b, a);
}

export function sameCidr(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.base === b.base && a.prefix === b.prefix;
}

/**
 * The address at a distance from the block's first; negative distances count from behind, −1 is the last.
 *
 * @throws RangeError when the block has no such address.
 */
export function addressAt(cidr: Cidr, distance: bigint): Address {
  const size = cidrSize(cidr);
  const offset = distance < 0n ? size + distance : distance;
  if (offset < 0n || offset >= size) {
    throw new RangeError(
      `Cannot take an address of ${formatCidr(cidr)} as its distance must be less than ${size}: current value is ${distance}`,
    );
  }
  return { family: cidr.family, value: cidr.base + offset };
}
