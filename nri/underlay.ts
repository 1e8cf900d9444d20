import { parseAddress } from '../ipam/address.ts';
import { nicMtu, podDevice, routeMtu, type Underlay } from './nic-plan.ts';
import type { ObservedNamespace } from './observed-nic.ts';

export interface UnderlaySources {
  /** 0 where it is to be derived. */
  readonly mtu: number;
  readonly routeMtu: number;
  readonly datapath: 'auto' | 'system' | 'netdev';
  /** Of the bridge. */
  readonly bridgeDatapath: string | undefined;
  /** The address of this node's tunnels. */
  readonly encapAddress: string | undefined;
  readonly host: ObservedNamespace | undefined;
  /** MTU of the first NIC of a pod. */
  readonly podMtu: number | undefined;
}

export type UnderlayFinding =
  | { readonly kind: 'known'; readonly underlay: Underlay }
  /** A NIC cannot be made yet; the reason completes "waits for …". */
  | { readonly kind: 'waits'; readonly reason: string }
  /** All is known but the MTU of a pod's first NIC: look into one. Until then, with an MTU that most leave. */
  | { readonly kind: 'needs-pod'; readonly provisional: Underlay };

/** What holds for every NIC of the node. */
export function findUnderlay(sources: UnderlaySources): UnderlayFinding {
  const datapath = sources.datapath === 'auto' ? sources.bridgeDatapath : sources.datapath;
  if (datapath === undefined) return { kind: 'waits', reason: 'the bridge' };
  const mtu = sources.mtu > 0 ? sources.mtu : derivedMtu(sources);
  if (typeof mtu === 'string') return { kind: 'waits', reason: mtu };
  const { podMtu } = sources;
  const ownChecksums = datapath === 'netdev';
  if (sources.routeMtu > 0) {
    return { kind: 'known', underlay: { mtu, routeMtu: sources.routeMtu, ownChecksums } };
  }
  if (podMtu === undefined) {
    return { kind: 'needs-pod', provisional: { mtu, routeMtu: routeMtu(mtu), ownChecksums } };
  }
  return { kind: 'known', underlay: { mtu, routeMtu: routeMtu(podMtu), ownChecksums } };
}

function derivedMtu({ encapAddress, host }: UnderlaySources): number | string {
  const address = encapAddress === undefined ? undefined : parseAddress(encapAddress);
  if (encapAddress === undefined || address === undefined)
    return 'external_ids:ovn-encap-ip in the Open_vSwitch database, or --mtu';
  const mtu = host && tunnelMtu(encapAddress, host);
  if (mtu === undefined) return `a device with the address of OVN's tunnels, ${encapAddress}`;
  return nicMtu(mtu, address);
}

/** MTU of the device that has the address of the tunnels; undefined where none has it. */
export function tunnelMtu(encapAddress: string, { links }: ObservedNamespace): number | undefined {
  const has = (text: string) => text.slice(0, text.indexOf('/')) === encapAddress;
  return links.find(({ addresses }) => addresses.some(has))?.mtu;
}

/** What runtimes call a pod's first NIC. */
const firstNic = 'eth0';

/**
 * MTU of a pod's first NIC; where none has its usual name, the smallest of the pod's own devices that are up. A pod may have
 * made others: a gateway's `wg0` says nothing of other pods.
 */
export function firstNicMtu({ links }: ObservedNamespace): number | undefined {
  const own = links.filter(({ name, isUp }) => isUp && name !== 'lo' && name !== podDevice);
  const usual = own.filter(({ name }) => name === firstNic);
  const mtus = (usual.length > 0 ? usual : own).map(({ mtu }) => mtu);
  return mtus.length === 0 ? undefined : Math.min(...mtus);
}
