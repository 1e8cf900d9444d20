/** Which Peers a gateway believes. Pure: every Peer is a stranger's word until it has passed here. */

import { isIP } from 'node:net';
import { gatewayAnnotations } from '../api/names.ts';
import { gatewayConditions, type Peer } from '../api/peer.ts';
import { type Cidr, cidrHasCidr, cidrsOverlap, formatCidr, parseCidr } from '../ipam/cidr.ts';
import { DisjointBlocks } from './disjoint-blocks.ts';
import { parseInternalAddress, type Target } from './host-port.ts';
import { isWeakKey } from './key.ts';
import { whyNotDialled } from './reserved-addresses.ts';

/** The contract's port. */
export const defaultPort = 31_820;

/** A cluster as the plan sees it: everything in it has been checked. */
export interface Site {
  readonly id: string;
  readonly isHub: boolean;
  readonly cidrs: readonly Cidr[];
  /** Absent until its gateway has run. */
  readonly key?: string;
  /** The key that it is about to change to. */
  readonly nextKey?: string;
  /** Where anybody may dial it. */
  readonly public?: Target;
  /** Where clusters of its location may dial it. */
  readonly internal?: Target;
  readonly location: string;
  /** It is a candidate to speak for its location. */
  readonly wantsToLead: boolean;
  /** False where the hub's gateway has not heard of it for a minute. */
  readonly isReady: boolean;
  /** Of its tunnel device. */
  readonly mtu?: number;
  readonly granularity?: Granularity;
}

/** Whether each cluster has tunnels of its own to all it can reach, or one cluster speaks for its location. */
export type Granularity = 'full' | 'location';

export type RefusalReason =
  | 'SecondHub'
  | 'ForeignCidr'
  | 'TooBroad'
  | 'Overlap'
  | 'ReservedEndpoint'
  | 'KeyInUse'
  | 'WeakKey'
  | 'TooMany';

export interface Refused {
  readonly id: string;
  readonly reason: RefusalReason;
  /** A whole sentence. */
  readonly message: string;
}

export interface Acceptance {
  readonly sites: ReadonlyMap<string, Site>;
  readonly hub?: Site;
  readonly globals: readonly Cidr[];
  readonly refused: readonly Refused[];
}

export interface AcceptOptions {
  readonly self: string;
  /** Clusters beside ourselves and the hub at most. */
  readonly maxPeers: number;
  /** What was believed of whom the last time, as {@link claimOf} says it: who stays the same is not displaced. */
  readonly before?: ReadonlyMap<string, string>;
  /** Public keys that are our own, told or not: nobody else may have them. */
  readonly ownKeys?: readonly string[];
}

/** What two Peers can quarrel about. */
export function claimOf(peer: Peer): string {
  return `${peer.spec.cluster_cidr.join()} ${peer.spec.public_key ?? ''}`;
}

/**
 * Sorts Peers into those that are believed and those that are refused, each for itself.
 *
 * Of two that claim the same block or key the one that was believed before keeps it, then the older one.
 */
export function acceptPeers(peers: readonly Peer[], options: AcceptOptions): Acceptance {
  const order = inOrder(peers, options);
  const refused: Refused[] = [];
  const sites = new Map<string, Site>();
  const keys = new Map((options.ownKeys ?? []).map(key => [key, options.self]));
  const blocks = new DisjointBlocks();
  let hub: Site | undefined;
  const globals = globalsOf(order.find(({ spec }) => spec.ishub));
  let others = 0;
  for (const peer of order) {
    const { cluster_id: id, ishub } = peer.spec;
    const read = readSite(peer, globals);
    let refusal: Omit<Refused, 'id'> | undefined = 'reason' in read ? read : undefined;
    const site = 'reason' in read ? undefined : read;
    if (site !== undefined) {
      refusal =
        (ishub && hub !== undefined
          ? no('SecondHub', `it must not be a hub: ${hub.id} is the hub`)
          : undefined) ??
        (!ishub && id !== options.self && others >= options.maxPeers
          ? no('TooMany', `there must be at most ${options.maxPeers} clusters (--max-peers)`)
          : undefined) ??
        quarrel(site, keys, blocks);
    }
    if (refusal !== undefined || site === undefined) {
      if (refusal !== undefined) refused.push({ id, ...refusal });
      continue;
    }
    sites.set(id, site);
    if (site.key !== undefined) keys.set(site.key, id);
    if (site.nextKey !== undefined) keys.set(site.nextKey, id);
    if (ishub) hub = site;
    else {
      for (const cidr of site.cidrs) blocks.add(cidr, id);
      if (id !== options.self) others++;
    }
  }
  return { sites, globals, refused, ...(hub && { hub }) };
}

/** The hub, then ourselves, then who was believed before, then the oldest. */
function inOrder(peers: readonly Peer[], { self, before }: AcceptOptions): readonly Peer[] {
  const rank = (peer: Peer) => {
    if (peer.spec.cluster_id === self) return 0;
    return before?.get(peer.spec.cluster_id) === claimOf(peer) ? 1 : 2;
  };
  return peers
    .map(peer => ({
      peer,
      hub: peer.spec.ishub ? 0 : 1,
      rank: rank(peer),
      age: peer.metadata.creationTimestamp ?? '~',
    }))
    .sort(
      (a, b) =>
        a.hub - b.hub ||
        a.rank - b.rank ||
        (a.age < b.age ? -1 : a.age > b.age ? 1 : 0) ||
        (a.peer.spec.cluster_id < b.peer.spec.cluster_id ? -1 : 1),
    )
    .map(({ peer }) => peer);
}

/** Shortest prefixes of a block of all clusters: what is broader is a default route, or next to one. */
const broadest = { 4: 8, 6: 16 } as const;

function globalsOf(hub: Peer | undefined): readonly Cidr[] {
  return cidrsOf(hub).filter(cidr => cidr.prefix >= broadest[cidr.family]);
}

function cidrsOf(peer: Peer | undefined): readonly Cidr[] {
  return (peer?.spec.cluster_cidr ?? []).flatMap(text => parseCidr(text) ?? []);
}

type Refusal = Omit<Refused, 'id'>;

function no(reason: RefusalReason, must: string): Refusal {
  return { reason, message: `Cannot accept the Peer as ${must}` };
}

/** What can be said of a Peer by itself. */
function readSite(peer: Peer, globals: readonly Cidr[]): Site | Refusal {
  const { spec, metadata, status } = peer;
  const cidrs = cidrsOf(peer);
  for (const cidr of cidrs) {
    if (cidr.prefix < broadest[cidr.family]) {
      return no(
        'TooBroad',
        `a block must have a prefix of ${broadest[cidr.family]} at least: it has ${formatCidr(cidr)}`,
      );
    }
    if (spec.ishub) continue;
    const around = globals.find(global => cidrHasCidr(global, cidr));
    if (around === undefined) {
      const all = globals.map(formatCidr).join(', ') || 'nothing, as there is no hub yet';
      return no('ForeignCidr', `${formatCidr(cidr)} must be inside of the block of all clusters: ${all}`);
    }
    if (around.prefix === cidr.prefix) {
      return no('TooBroad', `${formatCidr(cidr)} must be a part of the block of all clusters, not all of it`);
    }
  }
  const port = spec.port ?? defaultPort;
  const target = spec.endpoint === undefined ? undefined : { host: spec.endpoint, port };
  const annotations = metadata.annotations;
  const internalAddress = parseInternalAddress(annotations[gatewayAnnotations.forceInternalIp] ?? '');
  for (const host of [target?.host, internalAddress]) {
    if (host === undefined || isIP(host) === 0) continue;
    const problem = whyNotDialled(host, globals);
    if (problem !== undefined) return no('ReservedEndpoint', problem);
  }
  for (const key of [spec.public_key, spec.next_public_key]) {
    if (key !== undefined && isWeakKey(key))
      return no('WeakKey', 'the key must not be a point of small order');
  }
  const ready = status.conditions.find(({ type }) => type === gatewayConditions.gatewayReady);
  const mtu = integerIn(annotations[gatewayAnnotations.mtu], 1_280, 65_535);
  const granularity = annotations[gatewayAnnotations.granularity];
  return {
    id: spec.cluster_id,
    isHub: spec.ishub,
    cidrs,
    location: annotations[gatewayAnnotations.location] ?? '',
    wantsToLead: annotations[gatewayAnnotations.leader] !== undefined,
    isReady: ready?.status !== 'False',
    ...(spec.public_key !== undefined && { key: spec.public_key }),
    ...(spec.next_public_key !== undefined && { nextKey: spec.next_public_key }),
    ...(target && (spec.isPublic || spec.ishub) && { public: target }),
    ...(internalAddress !== undefined && { internal: { host: internalAddress, port } }),
    ...(mtu !== undefined && { mtu }),
    ...((granularity === 'full' || granularity === 'location') && { granularity }),
  };
}

/** What a Peer and those before it disagree about. */
function quarrel(site: Site, keys: ReadonlyMap<string, string>, blocks: DisjointBlocks): Refusal | undefined {
  for (const key of [site.key, site.nextKey]) {
    const owner = key === undefined ? undefined : keys.get(key);
    if (owner !== undefined && owner !== site.id)
      return no('KeyInUse', `its key must be its own: ${owner} has it`);
  }
  if (site.isHub) return undefined;
  for (const [index, cidr] of site.cidrs.entries()) {
    if (site.cidrs.slice(0, index).some(earlier => cidrsOverlap(earlier, cidr))) {
      return no('Overlap', `its blocks must not overlap: ${formatCidr(cidr)} does`);
    }
    const holder = blocks.holderOf(cidr);
    if (holder !== undefined)
      return no('Overlap', `${formatCidr(cidr)} must be free: ${holder} has it, or a part of it`);
  }
  return undefined;
}

function integerIn(text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || !/^\d{1,6}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
