import type { Address } from '../ipam/address.ts';
import { AddressBook } from './address-book.ts';
import { addressesIn, parsePortAddress } from './assignment.ts';
import { claimantOf, type MayBeGateway, roleOf } from './claimant.ts';
import { ownerOfPort, type PortRow, portName } from './desired-port.ts';
import type { Network } from './network.ts';
import { isAlive, type PortOwner } from './port-owner.ts';

export interface WorldOfPorts {
  readonly network: Network;
  readonly quarantineMs: number;
  /** Pods and nodes. */
  readonly owners: Iterable<PortOwner>;
  owner(key: string): PortOwner | undefined;
  readonly ports: Iterable<PortRow>;
  /** What StatefulSets' pods had that are gone, by pod. */
  readonly released: ReadonlyMap<string, readonly Address[]>;
  readonly mayBeGateway: MayBeGateway;
  readonly now: number;
  readonly wallNow: number;
}

/**
 * Reads from OVN, the pods and the nodes who has which addresses: what a leader begins with. Pure.
 *
 * A port in OVN counts most, then what running pods show of an earlier allocation whose port is lost, both the oldest
 * pod first: where two claim the same, the younger is given another. Ports of pods that are gone hold their addresses
 * until they are removed.
 */
export function rebuildBook(world: WorldOfPorts): AddressBook {
  const book = new AddressBook(world.network, world.quarantineMs);
  const own: { readonly key: string; readonly port: PortRow; readonly owner: PortOwner | undefined }[] = [];
  for (const port of world.ports) {
    const key = ownerOfPort(port);
    if (key !== undefined) own.push({ key, port, owner: world.owner(key) });
    else book.setForeign(port._uuid, addressesIn(port.addresses), world.now);
  }
  // Of several ports of a pod the one of its name is true: others are meddling, and go.
  own.sort((a, b) => byAge(a.owner, b.owner) || Number(isNamed(b)) - Number(isNamed(a)));
  for (const { key, port, owner } of own) {
    const shown = parsePortAddress(port.addresses[0] ?? '');
    if (shown !== undefined) book.adopt(key, shown, owner && roleOf(owner, world.mayBeGateway));
  }
  const lost = [...world.owners].filter(
    one => isAlive(one, world.wallNow) && book.get(one.key) === undefined,
  );
  for (const owner of lost.sort(byAge)) {
    const claimant = claimantOf(owner, world.mayBeGateway);
    if (claimant.wish.kind === 'addresses' && claimant.wish.isAllocated) book.assign(claimant, world.now);
  }
  for (const [key, addresses] of world.released) book.remember(key, addresses, world.now);
  return book;
}

function isNamed({ key, port }: { readonly key: string; readonly port: PortRow }): boolean {
  return port.name === portName(key);
}

function byAge(a: PortOwner | undefined, b: PortOwner | undefined): number {
  return (a?.createdAt ?? Number.POSITIVE_INFINITY) - (b?.createdAt ?? Number.POSITIVE_INFINITY) || 0;
}
