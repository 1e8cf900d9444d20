import { type NicPlan, podDevice, type RoutePlan } from './nic-plan.ts';
import type { ObservedNamespace } from './observed-nic.ts';

/** What is to be done where a device is, until it is as planned. */
export interface NicRepair {
  /** For `ip -batch`; none where nothing differs. */
  readonly lines: readonly string[];
  /** Whether `ethtool` must switch checksums off. */
  readonly checksums: boolean;
  /** Whether it must no more believe router advertisements. */
  readonly routers: boolean;
}

export function isNoRepair({ lines, checksums, routers }: NicRepair): boolean {
  return lines.length === 0 && !checksums && !routers;
}

/** Everything that a new NIC needs after its device was made with MAC and MTU. */
export function setUpLines(plan: NicPlan): string[] {
  return [
    `link set dev ${podDevice} up`,
    ...plan.addresses.map(address => addAddress(address, podDevice)),
    ...plan.routes.map(route => replaceRoute(route, podDevice)),
  ];
}

/**
 * The difference between a NIC and its plan. A healthy one gives no lines, so that no packet is lost.
 *
 * What is too much goes first: a second address of a network would go with the first. Addresses come before routes, which
 * need them. Routes of others stay.
 */
export function repairNic(plan: NicPlan, observed: ObservedNamespace, name: string = podDevice): NicRepair {
  const link = observed.links.find(one => one.name === name);
  if (link === undefined) throw new Error(`Cannot repair ${name} as it must be there`);
  const lines: string[] = [];
  if (link.mac !== plan.mac) lines.push(`link set dev ${name} address ${plan.mac}`);
  if (link.mtu !== plan.mtu) lines.push(`link set dev ${name} mtu ${plan.mtu}`);
  if (!link.isUp) lines.push(`link set dev ${name} up`);
  const kept = [...plan.addresses, ...(plan.elective ?? [])];
  const tooMuch = link.addresses.filter(address => !kept.includes(address));
  for (const address of tooMuch) lines.push(`address del ${address} dev ${name}`);
  for (const address of plan.addresses)
    if (!link.addresses.includes(address)) lines.push(addAddress(address, name));
  const routes = observed.routes.filter(({ device }) => device === name);
  for (const route of plan.routes) {
    const found = routes.some(
      ({ destination, gateway, mtu }) =>
        destination === route.destination && gateway === route.gateway && mtu === route.mtu,
    );
    // Routes go with the last address of their network, and with the device when it is down.
    if (!found || tooMuch.length > 0 || !link.isUp) lines.push(replaceRoute(route, name));
  }
  return {
    lines,
    checksums: plan.ownChecksums && observed.leavesChecksums !== false,
    routers: observed.takesRouters === true,
  };
}

/** `nodad`: OVN answers for an address only at the port that it belongs to. */
function addAddress(address: string, device: string): string {
  return `address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`;
}

function replaceRoute({ destination, gateway, mtu }: RoutePlan, device: string): string {
  return `route replace ${destination} via ${gateway} dev ${device} mtu ${mtu}`;
}
