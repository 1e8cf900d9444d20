import { type Address, formatAddress, parseAddress } from '../ipam/address.ts';

/**
 * The address set of OVN in which the addresses of StatefulSets' pods are kept that are gone, so that they get them
 * again whichever process leads by then. It has no addresses, as far as OVN goes: what we keep is in its external_ids.
 */
export const releasedSet = 'nauti_released';

/** By pod, the oldest first as far as that is known. */
export function parseReleased(
  externalIds: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly Address[]> {
  const released = new Map<string, readonly Address[]>();
  for (const [key, text] of externalIds) {
    // Keys without a slash are not pods.
    if (!key.includes('/')) continue;
    const addresses = text.split(',').map(part => parseAddress(part));
    if (addresses.every(address => address !== undefined)) released.set(key, addresses);
  }
  return released;
}

export function formatReleased(addresses: readonly Address[]): string {
  return addresses.map(formatAddress).join(',');
}
