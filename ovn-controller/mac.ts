import type { Address } from '../ipam/address.ts';

/**
 * The MAC that belongs to a port's addresses: equal addresses give equal MACs, different ones different MACs.
 *
 * With IPv4: `0a:58` and its four bytes, as OVN's users know it. With IPv6 only: `0e` and the last five bytes, unique
 * among addresses that share the rest; {@link hasOwnMac} says which do. Both are unicast and locally administered.
 */
export function macOf(addresses: readonly Address[]): string {
  const [first] = addresses;
  if (first === undefined) throw new RangeError('Cannot derive a MAC as there must be an address');
  return first.family === 4
    ? `0a:58:${hexBytes(first.value, 4)}`
    : `0e:${hexBytes(BigInt.asUintN(ipv6Bits, first.value), 5)}`;
}

const ipv6Bits = 40;

/** Whether {@link macOf} makes such MACs. */
export function isDerivedMac(mac: string): boolean {
  return mac.startsWith('0a:58:') || mac.startsWith('0e:');
}

/** Whether an address at this distance from the first of its block has a MAC that no other of the block has. */
export function hasOwnMac(distance: bigint): boolean {
  return distance < 1n << BigInt(ipv6Bits);
}

const mac = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** Reads a unicast MAC; undefined for other text. */
export function parseMac(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (!mac.test(lower)) return undefined;
  return (Number.parseInt(lower.slice(0, 2), 16) & 1) === 0 ? lower : undefined;
}

function hexBytes(value: bigint, bytes: number): string {
  const hex = value.toString(16).padStart(bytes * 2, '0');
  return hex.replace(/..(?!$)/g, '$&:');
}
