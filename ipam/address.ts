import { isIP } from 'node:net';
import { IPv4, IPv6 } from 'ip-num';

export type Family = 4 | 6;

/** An IPv4 or IPv6 address: its number, so that arithmetic is arithmetic. */
export interface Address {
  readonly family: Family;
  /** 0 … 2³² − 1 or 0 … 2¹²⁸ − 1. */
  readonly value: bigint;
}

/** How many bits an address of a family has. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * Reads a bare address: `10.113.0.5`, `fd00::5`. A zone (`fe80::1%eth0`), a prefix, blanks and octets with leading
 * zeros are not legal.
 *
 * @returns undefined for text that is not an address.
 */
export function parseAddress(text: string): Address | undefined {
  // ip-num reads more than is legal in an annotation (zones), and reports by throwing: only good text reaches it.
  const family = text.includes('%') ? 0 : isIP(text);
  if (family === 4) return { family, value: IPv4.fromString(text).value };
  if (family === 6) return { family, value: IPv6.fromString(text).value };
  return undefined;
}

/** Prints an address in its canonical form; for IPv6 that of RFC 5952. */
export function formatAddress(address: Address): string {
  if (address.family === 4) return IPv4.fromNumber(address.value).toString();
  // ip-num leaves leading zero groups away.
  const groups = IPv6.fromBigInt(address.value).getHexadecatet().map(String);
  return compress([...Array<string>(8 - groups.length).fill('0'), ...groups]);
}

/** RFC 5952 section 4.2: the longest run of two or more zero groups becomes `::`; the first of equally long ones. */
function compress(groups: readonly string[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === '0') length++;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.family === b.family && a.value === b.value;
}
