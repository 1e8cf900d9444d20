import { podAnnotations } from '../api/names.ts';
import { type Address, formatAddress, parseAddress } from '../ipam/address.ts';
import { formatCidr } from '../ipam/cidr.ts';
import type { Assignment } from './assignment.ts';
import type { Network } from './network.ts';

/** The name of the switch that all pods of a cluster are on. */
export const logicalSwitch = 'default';

/** What the node agent understands. */
const nicType = 'veth-pair';

/** What is written on a pod. */
export function annotationsOf(network: Network, assignment: Assignment): Record<string, string> {
  return { ...nodeAnnotationsOf(network, assignment), [podAnnotations.podNicType]: nicType };
}

/**
 * What is written on a node. With two families the values of both stand side by side, IPv4 first, separated by commas;
 * the gateway pod has no routes, as it is where they lead.
 */
export function nodeAnnotationsOf(network: Network, assignment: Assignment): Record<string, string> {
  const { cidr, gateway, routes } = sharedTexts(network);
  return {
    [podAnnotations.ipAddress]: assignment.addresses.map(formatAddress).join(','),
    [podAnnotations.macAddress]: assignment.mac,
    [podAnnotations.cidr]: cidr,
    [podAnnotations.gateway]: gateway,
    [podAnnotations.logicalSwitch]: logicalSwitch,
    ...(assignment.gateway ? {} : { [podAnnotations.routes]: routes }),
    [podAnnotations.allocated]: 'true',
  };
}

interface SharedTexts {
  readonly cidr: string;
  readonly gateway: string;
  readonly routes: string;
}

const sharedByNetwork = new WeakMap<Network, SharedTexts>();

/** What all pods of a network have in common: made once, as printing addresses is a good part of the work on a pod. */
function sharedTexts(network: Network): SharedTexts {
  const known = sharedByNetwork.get(network);
  if (known !== undefined) return known;
  const routes = network.map(({ global, gateway }) => ({
    dst: formatCidr(global),
    gw: formatAddress(gateway),
  }));
  const made = {
    cidr: network.map(({ cidr }) => formatCidr(cidr)).join(','),
    gateway: network.map(({ gateway }) => formatAddress(gateway)).join(','),
    routes: JSON.stringify(routes),
  };
  sharedByNetwork.set(network, made);
  return made;
}

const ownNames: readonly string[] = Object.values(podAnnotations);

/** Those of all annotations that are of an allocation. */
export function allocationAnnotations(all: Readonly<Record<string, string>>): Record<string, string> {
  const own: Record<string, string> = {};
  for (const name of ownNames) {
    const value = all[name];
    if (value !== undefined) own[name] = value;
  }
  return own;
}

/** Whether a pod or node shows exactly these; others than ours are not looked at. */
export function showsAnnotations(
  shown: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return ownNames.every(name => shown[name] === wanted[name]);
}

/** The address that a pod's author asks for, or that an earlier allocation gave. */
export type Wish =
  | { readonly kind: 'none' }
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[]; readonly isAllocated: boolean }
  | { readonly kind: 'nonsense'; readonly text: string };

/** What annotations ask for. They are a request, whoever wrote them: what is given is decided by what is free. */
export function wishOf(annotations: Readonly<Record<string, string>>): Wish {
  const text = annotations[podAnnotations.ipAddress];
  if (text === undefined) return { kind: 'none' };
  const addresses = text.split(',').map(part => parseAddress(part.trim()));
  const families = new Set(addresses.map(address => address?.family));
  const isAllocated = annotations[podAnnotations.allocated] === 'true';
  if (!addresses.every(address => address !== undefined) || families.size !== addresses.length) {
    return { kind: 'nonsense', text };
  }
  return { kind: 'addresses', addresses, isAllocated };
}
