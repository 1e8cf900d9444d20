import type { Address } from '../ipam/address.ts';
import { AddressBook } from './address-book.ts';
import { wishOf } from './annotations.ts';
import { addressesIn, parsePortAddress } from './assignment.ts';
import { type PortRow, podOfPort, portName } from './desired-port.ts';
import type { Network } from './network.ts';
import { isAlive, type WatchedPod } from './watched-pod.ts';

export interface WorldOfPorts {
  readonly network: Network;
  readonly quarantineMs: number;
  readonly pods: Iterable<WatchedPod>;
  pod(key: string): WatchedPod | undefined;
  readonly ports: Iterable<PortRow>;
  /** What StatefulSets' pods had that are gone, by pod. */
  readonly released: ReadonlyMap<string, readonly Address[]>;
  readonly mayBeGateway: (pod: WatchedPod) => boolean;
  readonly now: number;
  readonly wallNow: number;
}

/**
 * Reads from OVN and the pods who has which addresses: what a leader begins with. Pure.
 *
 * A port in OVN counts most, then what running pods show of an earlier allocation whose port is lost, both the oldest
 * pod first: where two claim the same, the younger is given another. Ports of pods that are gone hold their addresses
 * until they are removed.
 */
export function rebuildBook(world: WorldOfPorts): AddressBook {
  const book = new AddressBook(world.network, world.quarantineMs);
  const own: { readonly key: string; readonly port: PortRow; readonly pod: WatchedPod | undefined }[] = [];
  for (const port of world.ports) {
    const key = podOfPort(port);
    if (key !== undefined) own.push({ key, port, pod: world.pod(key) });
    else book.setForeign(port._uuid, addressesIn(port.addresses), world.now);
  }
  // Of several ports of a pod the one of its name is true: others are meddling, and go.
  own.sort((a, b) => byAge(a.pod, b.pod) || Number(isNamed(b)) - Number(isNamed(a)));
  for (const { key, port } of own) {
    const shown = parsePortAddress(port.addresses[0] ?? '');
    if (shown !== undefined) book.adopt(key, shown);
  }
  const lost = [...world.pods].filter(pod => isAlive(pod, world.wallNow) && book.get(pod.key) === undefined);
  for (const pod of lost.sort(byAge)) {
    const wish = wishOf(pod.annotations);
    if (wish.kind !== 'addresses' || !wish.isAllocated) continue;
    const isGateway = pod.isLabelledGateway && world.mayBeGateway(pod);
    book.assign({ key: pod.key, wish, isGateway }, world.now);
  }
  for (const [key, addresses] of world.released) book.remember(key, addresses, world.now);
  return book;
}

function isNamed({ key, port }: { readonly key: string; readonly port: PortRow }): boolean {
  return port.name === portName(key);
}

function byAge(a: WatchedPod | undefined, b: WatchedPod | undefined): number {
  return (a?.createdAt ?? Number.POSITIVE_INFINITY) - (b?.createdAt ?? Number.POSITIVE_INFINITY) || 0;
}
