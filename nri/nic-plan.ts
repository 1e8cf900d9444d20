import { type Address, formatAddress } from '../ipam/address.ts';
import { formatCidr } from '../ipam/cidr.ts';
import type { Allocation } from './allocation.ts';

/** The second NIC's name in every pod. */
export const podDevice = 'eth-ovn';

/** Headers around a packet: Geneve with OVN's option, by the family of the tunnel's addresses. */
const geneveBytes = { 4: 58, 6: 78 } as const;
/** WireGuard over IPv6, the larger of the two: the gateway's outer family is not known here. */
const wireGuardBytes = 80;
const leastMtu = 1_280;

/** What the node says about every NIC on it. */
export interface Underlay {
  readonly mtu: number;
  readonly routeMtu: number;
  /** Whether pods calculate their checksums themselves: the userspace datapath does not do it for them. */
  readonly ownChecksums: boolean;
}

/** A NIC as it should be in its pod. All texts are made of numbers: they may stand in a command. */
export interface NicPlan {
  readonly mac: string;
  readonly mtu: number;
  /** `10.113.0.5/16` */
  readonly addresses: readonly string[];
  readonly routes: readonly RoutePlan[];
  /** Addresses that a gateway sets itself: they stay where they are. */
  readonly elective?: readonly string[];
  readonly ownChecksums: boolean;
}

export interface RoutePlan {
  /** As `ip` prints it: `10.112.0.0/12`. */
  readonly destination: string;
  readonly gateway: string;
  readonly mtu: number;
}

export function planNic(allocation: Allocation, underlay: Underlay): NicPlan {
  const textsOf = (list: Allocation['addresses']) =>
    list.map(({ address, prefix }) => `${formatAddress(address)}/${prefix}`);
  return {
    mac: allocation.mac,
    mtu: underlay.mtu,
    addresses: textsOf(allocation.addresses),
    ...(allocation.elective.length > 0 && { elective: textsOf(allocation.elective) }),
    routes: allocation.routes.map(({ destination, gateway }) => ({
      destination: destinationOf(destination),
      gateway: formatAddress(gateway),
      mtu: Math.min(underlay.routeMtu, underlay.mtu),
    })),
    ownChecksums: underlay.ownChecksums,
  };
}

/** `ip` prints the route to one address without its prefix. */
function destinationOf(cidr: Allocation['routes'][number]['destination']): string {
  const text = formatCidr(cidr);
  return cidr.prefix === (cidr.family === 4 ? 32 : 128) ? text.slice(0, text.indexOf('/')) : text;
}

/** MTU of a NIC whose packets travel in Geneve over a device. */
export function nicMtu(underlayMtu: number, tunnel: Pick<Address, 'family'>): number {
  return Math.max(leastMtu, underlayMtu - geneveBytes[tunnel.family]);
}

/**
 * MTU of the way to other clusters: WireGuard goes out of the gateway pod's first NIC, which has the MTU of every pod's
 * first NIC.
 */
export function routeMtu(podMtu: number): number {
  return Math.max(leastMtu, podMtu - wireGuardBytes);
}

export function samePlan(a: NicPlan, b: NicPlan): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
