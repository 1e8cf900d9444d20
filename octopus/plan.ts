/** What the gateway's device, routes and firewall must be. Pure: the same inputs give the same plan. */

import { formatAddress } from '../ipam/address.ts';
import { addressAt as at, type Cidr, formatCidr } from '../ipam/cidr.ts';
import type { Acceptance, Site } from './accepted-peers.ts';
import { type FirewallPlan, firewallOf } from './firewall.ts';
import { tunnelAddress } from './key.ts';
import type { Link } from './topology.ts';

/** WireGuard's overhead over IPv6, the larger one: an underlay of either family carries what fits (data path, MTU). */
export const overhead = 80;

/** IPv6 needs this much (RFC 8200 section 5); a smaller tunnel would lose that family. */
const leastMtu = 1_280;

/** MTU of the tunnel device over an underlay. */
export function tunnelMtu(underlayMtu: number): number {
  return Math.max(leastMtu, underlayMtu - overhead);
}

/**
 * The hub's gateway has no block of its own. This is where its ICMP errors come from, without which the path MTU
 * through it could not be found out.
 */
export const hubAddress = '169.254.31.82';

export interface LocalFacts {
  readonly id: string;
  readonly device: string;
  /** The device towards the cluster's pods. */
  readonly clusterDevice: string;
  readonly listenPort: number;
  readonly probePort: number;
  readonly underlayMtu: number;
  /** Seconds; 0 for none. Towards whom we dial. */
  readonly keepalive: number;
  /** Whether packets of two other clusters, or to a cluster without a tunnel, may pass by the hub. */
  readonly relay: boolean;
  /** Whether we set the gateway's addresses on the cluster device ourselves. */
  readonly managesClusterAddress: boolean;
}

export interface PlannedPeer {
  readonly id: string;
  readonly key: string;
  /** `address:port`; absent where the other side dials, or its name is not looked up yet. */
  readonly endpoint?: string;
  readonly keepalive: number;
  /** Sorted, in the form in which `wg` prints them. */
  readonly allowed: readonly string[];
  readonly presharedKey?: string;
}

export interface PlannedRoute {
  readonly family: 4 | 6;
  readonly to: string;
  /** `unreachable` stands behind the cluster's own block: what the cluster device does not take must not go round. */
  readonly kind: 'device' | 'unreachable';
  readonly mtu?: number;
}

export interface DevicePlan {
  readonly device: string;
  readonly listenPort: number;
  readonly mtu: number;
  /** With prefix length, as `ip` prints them. */
  readonly addresses: readonly string[];
  /** Of the device towards the pods, where they are ours to set. */
  readonly clusterAddresses: readonly string[];
  readonly peers: readonly PlannedPeer[];
  readonly routes: readonly PlannedRoute[];
  readonly firewall: FirewallPlan;
}

export interface PlanInputs {
  readonly local: LocalFacts;
  readonly acceptance: Acceptance;
  readonly links: readonly Link[];
  /** Clusters whose direct link is not used at the moment. */
  readonly relayed: ReadonlySet<string>;
  /** Keys that a cluster has changed to, before its Peer says so. */
  readonly changedKeys: ReadonlyMap<string, string>;
  /** Where to dial, by cluster id: names are looked up. */
  readonly dialled: ReadonlyMap<string, string>;
  readonly presharedKeyOf?: (site: Site) => string | undefined;
}

/** The gateway's addresses on the device towards the pods, with prefix length: the first of each block. */
export function gatewayAddresses(own: readonly Cidr[]): string[] {
  return own.map(cidr => `${formatAddress(at(cidr, 1n))}/${cidr.prefix}`).sort();
}

export function planDevice(inputs: PlanInputs): DevicePlan {
  const { local, acceptance, links } = inputs;
  const self = acceptance.sites.get(local.id);
  const own = self?.isHub ? [] : (self?.cidrs ?? []);
  const mtu = tunnelMtu(local.underlayMtu);
  const gateways = own.map(cidr => ({ cidr, address: formatAddress(at(cidr, 1n)) }));
  const bits = (cidr: Cidr) => (cidr.family === 4 ? 32 : 128);
  return {
    device: local.device,
    listenPort: local.listenPort,
    mtu,
    addresses: [
      `${tunnelAddress(local.id)}/64`,
      ...(self?.isHub ? [`${hubAddress}/32`] : []),
      // Errors that the gateway sends towards other clusters come from its own address, which they accept of it.
      ...gateways.map(({ cidr, address }) => `${address}/${bits(cidr)}`),
    ].sort(),
    clusterAddresses: local.managesClusterAddress ? gatewayAddresses(own) : [],
    peers: planPeers(inputs),
    routes: links.length === 0 ? planOwnRoutes(own) : [...planOwnRoutes(own), ...planRoutes(inputs, mtu)],
    firewall: firewallOf({
      device: local.device,
      clusterDevice: local.clusterDevice,
      mtu,
      probePort: local.probePort,
      own,
      globals: acceptance.globals,
      mayRelay: self?.isHub === true || links.some(({ role }) => role === 'only'),
    }),
  };
}

function planPeers({ local, acceptance, links, relayed, changedKeys, dialled, presharedKeyOf }: PlanInputs) {
  const globals = acceptance.globals.map(formatCidr);
  const peers = links.map(({ site, role, blocks, dial }): PlannedPeer => {
    const carried = role === 'direct' && relayed.has(site.id) ? [] : blocks.map(formatCidr);
    const allowed = [
      `${tunnelAddress(site.id)}/128`,
      ...(role === 'up' && local.relay ? globals : []),
      ...(site.isHub ? [`${hubAddress}/32`] : []),
      ...carried,
    ];
    const endpoint = dialled.get(site.id);
    const presharedKey = presharedKeyOf?.(site);
    return {
      id: site.id,
      key: changedKeys.get(site.id) ?? site.key ?? '',
      keepalive: dial === undefined ? 0 : local.keepalive,
      allowed: [...new Set(allowed)].sort(),
      ...(endpoint !== undefined && { endpoint }),
      ...(presharedKey !== undefined && { presharedKey }),
    };
  });
  return peers.filter(({ key }) => key !== '').sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** One route for the whole block, and one more for each cluster behind a narrower tunnel than ours. */
function planRoutes({ acceptance, links, local }: PlanInputs, mtu: number): PlannedRoute[] {
  const device = (cidr: Cidr, more: { mtu?: number } = {}): PlannedRoute => ({
    family: cidr.family,
    to: formatCidr(cidr),
    kind: 'device',
    ...more,
  });
  const hubMtu = acceptance.hub?.mtu ?? mtu;
  const direct = new Map(
    links.flatMap(({ site, role, blocks }) =>
      role === 'up' ? [] : blocks.map(() => [site.id, site] as const),
    ),
  );
  const narrow = [...acceptance.sites.values()].flatMap(site => {
    if (site.isHub || site.id === local.id) return [];
    const least = Math.min(mtu, site.mtu ?? mtu, direct.has(site.id) ? mtu : hubMtu);
    return least < mtu ? site.cidrs.map(cidr => device(cidr, { mtu: least })) : [];
  });
  return [...acceptance.globals.map(global => device(global)), ...narrow];
}

function planOwnRoutes(own: readonly Cidr[]): PlannedRoute[] {
  return own.map(cidr => ({ family: cidr.family, to: formatCidr(cidr), kind: 'unreachable' }));
}
