import type { Address, Family } from '../ipam/address.ts';
import {
  addressAt,
  type Cidr,
  cidrHasCidr,
  cidrSize,
  formatCidr,
  parseCidr,
  sameCidr,
} from '../ipam/cidr.ts';

/** The cluster's part of the secondary network in one family. */
export interface FamilyNetwork {
  readonly family: Family;
  /** The cluster's own block. */
  readonly cidr: Cidr;
  /** The block of all clusters together. */
  readonly global: Cidr;
  /** First address of the block; the gateway pod's. */
  readonly gateway: Address;
}

/** What the cluster's pods get addresses from: one or two families, IPv4 first. */
export type Network = readonly FamilyNetwork[];

export type NetworkMode = 'V4_ONLY' | 'V6_ONLY' | 'DUAL_STACK';

const familiesOf = { V4_ONLY: [4], V6_ONLY: [6], DUAL_STACK: [4, 6] } as const;

/** Fewer addresses would leave nothing beside those that are reserved. */
const smallest = 8n;

/**
 * Puts the network together.
 *
 * @param mode which families; where it is not given, those that have a block.
 * @returns the sentence that says what is wrong, where it cannot be.
 */
export function planNetwork(
  cidrs: readonly Cidr[],
  globals: readonly Cidr[],
  mode: NetworkMode | undefined,
): Network | string {
  const families = mode === undefined ? ([4, 6] as const) : familiesOf[mode];
  const network: FamilyNetwork[] = [];
  for (const family of families) {
    const own = cidrs.filter(cidr => cidr.family === family);
    const [cidr] = own;
    const global = globals.find(candidate => candidate.family === family);
    if (cidr === undefined) {
      if (mode === undefined) continue;
      return `the network mode ${mode} needs an IPv${family} CIDR of the cluster`;
    }
    if (own.length > 1)
      return `there must be one IPv${family} CIDR: there are ${own.map(formatCidr).join(', ')}`;
    if (global === undefined) return `${formatCidr(cidr)} needs an IPv${family} CIDR of all clusters`;
    if (!cidrHasCidr(global, cidr)) return `${formatCidr(cidr)} must be inside of ${formatCidr(global)}`;
    if (cidrSize(cidr) < smallest) return `${formatCidr(cidr)} must have at least ${smallest} addresses`;
    network.push({ family, cidr, global, gateway: addressAt(cidr, 1n) });
  }
  return network.length === 0 ? 'there must be a CIDR of the cluster' : network;
}

/** Never given to ordinary pods: the block's own name, the first and second address, and IPv4's broadcast address. */
export function reservedIn({ family, cidr }: FamilyNetwork): readonly Address[] {
  const distances = family === 4 ? [0n, 1n, 2n, -1n] : [0n, 1n, 2n];
  return distances.map(distance => addressAt(cidr, distance));
}

/** `10.113.0.0/16,fd00:10:113::/64`: how the switch remembers which blocks its ports are from. */
export function formatCidrs(network: Network): string {
  return network.map(({ cidr }) => formatCidr(cidr)).join(',');
}

/** The blocks of all clusters, in the same way. */
export function formatGlobals(network: Network): string {
  return network.map(({ global }) => formatCidr(global)).join(',');
}

/** The blocks that were remembered; none where nothing, or nonsense, was. */
export function parseCidrs(text: string | undefined): readonly Cidr[] {
  if (text === undefined || text === '') return [];
  const cidrs = text.split(',').map(part => parseCidr(part));
  return cidrs.every(cidr => cidr !== undefined) ? cidrs : [];
}

/** Whether ports with addresses of these blocks may stay as they are: a family may be added, none changed or taken away. */
export function keepsBlocks(network: Network, before: readonly Cidr[]): boolean {
  return before.every(old => network.some(({ cidr }) => sameCidr(cidr, old)));
}

export function sameNetwork(a: Network, b: Network): boolean {
  return (
    a.length === b.length &&
    a.every((one, index) => {
      const other = b[index];
      return other !== undefined && sameCidr(one.cidr, other.cidr) && sameCidr(one.global, other.global);
    })
  );
}
