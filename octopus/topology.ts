/** Who has a tunnel to whom, and whose packets go through it. Pure. */

import type { Cidr } from '../ipam/cidr.ts';
import type { Acceptance, Granularity, Site } from './accepted-peers.ts';
import type { Target } from './host-port.ts';

/** A tunnel, seen from one of its ends. */
export interface Link {
  readonly site: Site;
  /**
   * What it is for. `up`: everything that no other link carries; `direct`: the blocks behind the other end, and while
   * it is dead these go up instead; `only`: there is no other way to these blocks.
   */
  readonly role: 'up' | 'direct' | 'only';
  /** The blocks behind the other end. */
  readonly blocks: readonly Cidr[];
  /** Where we dial it; absent: it dials us. */
  readonly dial?: Target;
}

/** Members of a location, with the one that speaks for them towards other locations. */
export interface Segment {
  readonly leader: Site;
  /** Without the leader. */
  readonly others: readonly Site[];
}

/** The granularity that counts: the hub's word, for all of them must agree; else our own. */
export function granularityOf({ hub }: Acceptance, own: Granularity): Granularity {
  return hub?.granularity ?? own;
}

/** Where `from` can dial `to`; undefined where it cannot. */
export function dialled(from: Site, to: Site): Target | undefined {
  const isNear = from.location === to.location && from.internal !== undefined;
  return (isNear ? to.internal : undefined) ?? to.public;
}

/** Whether a tunnel can be between two: one dials the other. */
export function canLink(a: Site, b: Site): boolean {
  return dialled(a, b) !== undefined || dialled(b, a) !== undefined;
}

/**
 * Who speaks for a location: annotated and public, annotated, public, the first by name. Clusters whose gateway is not
 * ready are asked last. The same for everybody who sees the same Peers, and stable: a new one takes over only where it
 * is better.
 */
export function chooseLeader(sites: readonly Site[]): Site | undefined {
  const rank = (site: Site) =>
    (site.isReady ? 0 : 4) + (site.wantsToLead ? 0 : 2) + (site.public === undefined ? 1 : 0);
  return [...sites].sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1))[0];
}

/**
 * Parts the clusters into segments. The hub is one by itself, and so is everybody at granularity `full`; else those of
 * a location whose leader they reach by an internal address.
 */
export function segmentsOf(sites: Iterable<Site>, granularity: Granularity): Segment[] {
  const alone: Site[] = [];
  const byLocation = new Map<string, Site[]>();
  for (const site of sites) {
    if (site.key === undefined) continue;
    if (site.isHub || granularity === 'full' || site.internal === undefined) alone.push(site);
    else byLocation.set(site.location, [...(byLocation.get(site.location) ?? []), site]);
  }
  const segments: Segment[] = alone.map(leader => ({ leader, others: [] }));
  for (const members of byLocation.values()) {
    const leader = chooseLeader(members);
    if (leader !== undefined) segments.push({ leader, others: members.filter(site => site !== leader) });
  }
  return segments;
}

function blocksOf({ leader, others }: Segment): readonly Cidr[] {
  return others.length === 0 ? leader.cidrs : [leader, ...others].flatMap(({ cidrs }) => cidrs);
}

/**
 * The tunnels of one cluster.
 *
 * - Members dial the hub, and what no other tunnel carries goes to it.
 * - Two clusters of which one can be dialled have a tunnel of their own.
 * - At granularity `location` only leaders have tunnels out of their location; the others send to their leader.
 *
 * @param selfId of an accepted Peer; without one, or without a key of its own, there are no links.
 */
export function linksOf(selfId: string, acceptance: Acceptance, ownGranularity: Granularity): Link[] {
  const { sites, hub } = acceptance;
  const known = sites.get(selfId);
  if (known === undefined) return [];
  // Our own key need not have been published yet for us to know whom we talk to.
  const self = known.key === undefined ? { ...known, key: '' } : known;
  const all = [...sites.values()].map(site => (site.id === selfId ? self : site));
  const segments = segmentsOf(all, granularityOf(acceptance, ownGranularity));
  const own = segments.find(({ leader, others }) => leader === self || others.includes(self));
  if (own === undefined) return [];
  if (own.leader !== self) return insideOf(own, self);
  const links: Link[] = [];
  const hasUp =
    hub !== undefined && hub !== self && !self.isHub && hub.key !== undefined && canLink(self, hub);
  for (const segment of segments) {
    const { leader } = segment;
    if (segment === own || !canLink(self, leader)) continue;
    const role = leader.isHub ? 'up' : hasUp ? 'direct' : 'only';
    links.push(link(self, leader, role, leader.isHub ? [] : blocksOf(segment)));
  }
  for (const other of own.others)
    if (canLink(self, other)) links.push(link(self, other, 'only', other.cidrs));
  return links;
}

/** The links of one that does not lead: to its neighbours, and to its leader for all that is outside. */
function insideOf({ leader, others }: Segment, self: Site): Link[] {
  const links = [link(self, leader, 'up', leader.cidrs)];
  for (const other of others) {
    if (other !== self && canLink(self, other)) links.push(link(self, other, 'direct', other.cidrs));
  }
  return links;
}

function link(self: Site, site: Site, role: Link['role'], blocks: readonly Cidr[]): Link {
  const dial = dialled(self, site);
  return { site, role, blocks, ...(dial && { dial }) };
}
