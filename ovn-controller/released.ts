import type { Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { type Address, formatAddress, parseAddress } from '../ipam/address.ts';
import type { PortPlan } from './port-plan.ts';

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
    if (!isPod(key)) continue;
    const addresses = text.split(',').map(part => parseAddress(part));
    if (addresses.every(address => address !== undefined)) released.set(key, addresses);
  }
  return released;
}

/** The set has other keys too, without a slash. */
function isPod(key: string): boolean {
  return key.includes('/');
}

function formatReleased(addresses: readonly Address[]): string {
  return addresses.map(formatAddress).join(',');
}

/** So many pods of StatefulSets are remembered that are gone. */
const releasedLimit = 2_000;

/**
 * Adds to a transaction that pods of StatefulSets go, and come back.
 *
 * @param context with the external ids of the set, which exists, and what pods have that go.
 */
export function addReleasedWrites(
  transaction: Transaction<OVNNorthboundDatabase>,
  context: {
    readonly plan: PortPlan;
    readonly known: ReadonlyMap<string, string>;
    readonly assignments: (key: string) => readonly Address[];
  },
): void {
  const { plan, known, assignments } = context;
  const gone = plan.remove.filter(({ isStateful, key }) => isStateful && assignments(key).length > 0);
  const back = plan.create.filter(({ key }) => known.has(key));
  if (gone.length + back.length === 0) return;
  const keys = [...known.keys()].filter(isPod);
  const surplus = keys.slice(0, Math.max(0, keys.length + gone.length - releasedLimit));
  const stale = [...gone, ...back].map(({ key }) => key);
  transaction.mutate(
    'Address_Set',
    [['name', '==', releasedSet]],
    [
      ['external_ids', 'delete', [...stale, ...surplus]],
      [
        'external_ids',
        'insert',
        Object.fromEntries(gone.map(({ key }) => [key, formatReleased(assignments(key))])),
      ],
    ],
  );
}
