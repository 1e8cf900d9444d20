/** What the node's own device on the switch should be, and what must be done for that. Pure. */

import { nodePortName } from '../api/object-names.ts';
import { formatAddress, parseAddress } from '../ipam/address.ts';
import { type Cidr, cidrHas, formatCidr } from '../ipam/cidr.ts';
import type { Allocation } from './allocation.ts';
import { type NicPlan, planNic, type Underlay } from './nic-plan.ts';
import { isNoRepair, type NicRepair, repairNic } from './nic-repair.ts';
import { firewallOf } from './node-firewall.ts';
import type { NodePort, WantedNodePort } from './node-switch.ts';
import type { ObservedNamespace } from './observed-nic.ts';

/** An internal port of the bridge: by it what is sent to the address of an imported service leaves the node. */
export const nodeDevice = 'ovn0';

export interface NodeDevicePlan {
  readonly nic: NicPlan;
  readonly port: WantedNodePort;
  /** For `nft`. */
  readonly firewall: string;
  /** What the node must not have networks of its own in. */
  readonly blocks: readonly Cidr[];
}

export function planNodeDevice(node: string, allocation: Allocation, underlay: Underlay): NodeDevicePlan {
  const nic = planNic(allocation, underlay);
  const addresses = allocation.addresses.map(({ address }) => formatAddress(address));
  return {
    nic,
    port: {
      name: nodeDevice,
      externalIds: { 'iface-id': nodePortName(node), node, ip: addresses.join() },
      mac: nic.mac,
      mtu: nic.mtu,
    },
    firewall: firewallOf(nodeDevice, addresses),
    blocks: allocation.routes.map(({ destination }) => destination),
  };
}

/** MTU of the routes that the device has; undefined where it has none. */
export function routeMtuOf({ routes }: ObservedNamespace): number | undefined {
  return routes.find(({ device }) => device === nodeDevice)?.mtu;
}

export type NodeDeviceStep =
  /** It must not be made; the reason is for people. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'add' }
  /** The port says something else than it should. */
  | { readonly kind: 'set' }
  /** The switch has not made the device yet, or has lost it: then, after a while, the port goes and comes anew. */
  | { readonly kind: 'missing'; readonly isLost: boolean }
  | { readonly kind: 'repair'; readonly repair: NicRepair }
  | { readonly kind: 'done' };

/** Devices that Open vSwitch makes for internal ports, and may have left behind. */
const kindsOfSwitch: readonly (string | undefined)[] = ['tun', 'openvswitch'];

/** @param host what the node has; `leavesChecksums` is the device's. */
export function nextStep(
  plan: NodeDevicePlan,
  host: ObservedNamespace,
  port: NodePort | undefined,
): NodeDeviceStep {
  const clash = clashOf(plan, host);
  if (clash !== undefined) return { kind: 'refused', reason: clash };
  const link = host.links.find(({ name }) => name === nodeDevice);
  if (port === undefined) {
    if (link === undefined || kindsOfSwitch.includes(link.kind)) return { kind: 'add' };
    return { kind: 'refused', reason: taken('device') };
  }
  if (!port.isOurs) return { kind: 'refused', reason: taken('port') };
  if (!saysAll(port, plan.port)) return { kind: 'set' };
  if (link === undefined || port.isDead) return { kind: 'missing', isLost: port.isSeen };
  const repair = repairNic(plan.nic, host, nodeDevice);
  return isNoRepair(repair) ? { kind: 'done' } : { kind: 'repair', repair };
}

/** The route to all clusters would take away what the node reaches otherwise. */
function clashOf({ blocks }: NodeDevicePlan, { links }: ObservedNamespace): string | undefined {
  for (const { name, addresses } of links) {
    if (name === nodeDevice) continue;
    for (const text of addresses) {
      const address = parseAddress(text.slice(0, text.indexOf('/')));
      const block = address && blocks.find(candidate => cidrHas(candidate, address));
      if (block === undefined) continue;
      return `Cannot make ${nodeDevice} as the node's own networks must not be in ${formatCidr(block)}, the block of all clusters: ${name} has ${text}`;
    }
  }
  return undefined;
}

function taken(what: 'device' | 'port'): string {
  return `Cannot make ${nodeDevice} as no ${what} of that name must be there that is not ours: there is one`;
}

function saysAll({ externalIds, mac, mtu }: NodePort, wanted: WantedNodePort): boolean {
  return (
    mac === wanted.mac &&
    mtu === wanted.mtu &&
    Object.entries(wanted.externalIds).every(([key, value]) => externalIds.get(key) === value)
  );
}
