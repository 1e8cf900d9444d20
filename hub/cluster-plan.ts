/** What the hub does for one cluster, decided from all that is known of it. Pure. */

/** What is known of a cluster on the hub. Times are epoch milliseconds of the hub's clock. */
export interface ClusterFacts {
  readonly id: string;
  /** Whether the ServiceAccount exists that a joined cluster acts as. */
  readonly isMember: boolean;
  /** The join token that was made last and is not ended yet. */
  readonly joining?: {
    readonly expiresAt: number;
    readonly fingerprint?: string;
  };
  /** The cluster's Lease: it has joined. */
  readonly lease?: {
    /** Fingerprint of the join token that served. */
    readonly joinedWith?: string;
  };
  readonly peer?: {
    readonly cidrs: readonly string[];
    /** Whether it is said on the Peer what became of its CIDR. */
    readonly hasCidrCondition: boolean;
    /** What the hub said last of the cluster's life. */
    readonly alive?: { readonly value: boolean; readonly since: number };
  };
  /** What the leases say: `silent` only under a view of the API server that is proven fresh. */
  readonly sign: 'renewing' | 'silent' | 'unknown';
}

export type Step =
  /** End the join token: it has served, or nobody used it in time. */
  | { readonly do: 'end-join'; readonly why: 'used' | 'expired' }
  /** Forget the cluster: its token ended unused, and it never joined. */
  | { readonly do: 'forget' }
  /** Make the Peer, with a CIDR. */
  | { readonly do: 'give-peer' }
  /** Say on the Peer whether the cluster lives. */
  | { readonly do: 'say-alive'; readonly alive: boolean }
  /** Remove the cluster and all that it told the others. */
  | { readonly do: 'purge' };

export interface Plan {
  readonly steps: readonly Step[];
  /** When to look again if nothing changes, epoch milliseconds. */
  readonly lookAgainAt?: number;
}

/** A cluster without a CIDR is looked at so often, in milliseconds: who leaves is seen, this is for what is not. */
const withoutCidrMs = 60_000;

export function planCluster(facts: ClusterFacts, now: number, purgeAfterMs: number): Plan {
  const purgeAt = purgeTime(facts, purgeAfterMs);
  if (purgeAt !== undefined && purgeAt <= now) return { steps: [{ do: 'purge' }] };
  const steps: Step[] = [...joinSteps(facts, now), ...peerSteps(facts)];
  const joinEnds = steps.some(step => step.do === 'end-join') ? undefined : facts.joining?.expiresAt;
  const waitsForCidr = steps.some(step => step.do === 'give-peer') ? now + withoutCidrMs : undefined;
  const times = [purgeAt, joinEnds, waitsForCidr].filter(time => time !== undefined);
  return { steps, ...(times.length > 0 && { lookAgainAt: Math.min(...times) }) };
}

function joinSteps({ joining, lease, peer, isMember }: ClusterFacts, now: number): Step[] {
  if (joining === undefined) return [];
  if (joining.fingerprint !== undefined && joining.fingerprint === lease?.joinedWith) {
    return [{ do: 'end-join', why: 'used' }];
  }
  if (joining.expiresAt > now) return [];
  const neverJoined = isMember && lease === undefined && peer === undefined;
  // The token last: as long as it is there, what was interrupted is done again.
  return [...(neverJoined ? [{ do: 'forget' } as const] : []), { do: 'end-join', why: 'expired' }];
}

function peerSteps({ isMember, lease, peer, sign }: ClusterFacts): Step[] {
  const steps: Step[] = [];
  const joined = isMember && lease !== undefined;
  // Without a CIDR it is tried again: somebody may have left.
  const complete = peer !== undefined && peer.cidrs.length > 0 && peer.hasCidrCondition;
  if (joined && !complete) steps.push({ do: 'give-peer' });
  if (peer !== undefined && sign !== 'unknown') {
    const alive = sign === 'renewing';
    if (peer.alive?.value !== alive) steps.push({ do: 'say-alive', alive });
  }
  return steps;
}

/** When a cluster is purged if it stays silent; undefined while it is not known to be silent. */
function purgeTime({ peer, sign }: ClusterFacts, purgeAfterMs: number): number | undefined {
  if (sign !== 'silent' || peer?.alive === undefined || peer.alive.value) return undefined;
  return peer.alive.since + purgeAfterMs;
}
