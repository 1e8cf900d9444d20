/**
 * Which clusters live, told from the leases on the hub by the local clock alone.
 *
 * Clocks of clusters differ, so a lease says nothing by the time written in it, but by being seen to change. And a
 * silence counts only while this cluster's own view of the hub is known to be fresh: whoever is cut off from the hub
 * must not take all others for dead.
 */

/**
 * `alive`: seen to renew. `dead`: silent for the whole duration of its lease under a fresh view.
 * `unknown`: not seen to renew yet, and not for long enough to call it dead; nothing is to be changed because of it.
 */
export type Liveness = 'alive' | 'unknown' | 'dead';

export interface LivenessOptions {
  /** A cluster that does not renew for this long is dead, in milliseconds. */
  readonly leaseDurationMs: number;
  /** The view of the hub is stale when nothing proved it fresh for this long, in milliseconds. */
  readonly viewGapMs: number;
}

/** What is read of a Lease. */
export interface LeaseSighting {
  readonly clusterId: string;
  /** `spec.renewTime` as it is written. */
  readonly renewTime: string | undefined;
}

interface Sighting {
  renewTime: string | undefined;
  /** When this process first knew of the cluster. */
  readonly since: number;
  /** When the lease was last seen to change; undefined while it never was. */
  renewedAt: number | undefined;
  dead: boolean;
}

/** All times are milliseconds of one monotonic clock, given by the caller; `wallClock` is epoch milliseconds. */
export class ClusterLiveness {
  readonly #options: LivenessOptions;
  readonly #clusters = new Map<string, Sighting>();
  #lastProof: number | undefined;
  #freshSince = 0;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** Something came from the hub that was written just now: the view is fresh. */
  proveFresh(now: number): void {
    if (!this.isFresh(now)) this.#freshSince = now;
    this.#lastProof = now;
  }

  isFresh(now: number): boolean {
    return this.#lastProof !== undefined && now - this.#lastProof <= this.#options.viewGapMs;
  }

  /**
   * A lease as it is now on the hub.
   *
   * The first sighting cannot show a change. There, and only there, the time written in the lease is compared with
   * the wall clock: a recent one is taken for a sign of life, so that a restart delays nothing.
   */
  observe(lease: LeaseSighting, now: number, wallClock: number): void {
    const known = this.#clusters.get(lease.clusterId);
    if (known === undefined || (known.renewTime === undefined && known.renewedAt === undefined)) {
      const recent = isWithin(lease.renewTime, wallClock, this.#options.leaseDurationMs);
      const since = known?.since ?? now;
      const renewedAt = recent ? now : undefined;
      const dead = recent ? false : (known?.dead ?? false);
      this.#clusters.set(lease.clusterId, { renewTime: lease.renewTime, since, renewedAt, dead });
    } else if (known.renewTime !== lease.renewTime) {
      known.renewTime = lease.renewTime;
      known.renewedAt = now;
      known.dead = false;
    }
  }

  /** A cluster that has objects on the hub, and whose lease was not seen: it counts as silent from now on. */
  expect(clusterId: string, now: number): void {
    if (this.#clusters.has(clusterId)) return;
    this.#clusters.set(clusterId, { renewTime: undefined, since: now, renewedAt: undefined, dead: false });
  }

  /** Neither lease nor objects of the cluster are left. */
  forget(clusterId: string): void {
    this.#clusters.delete(clusterId);
  }

  /** Once dead, a cluster is dead until it is seen to renew, however stale the view becomes. */
  of(clusterId: string, now: number): Liveness {
    const cluster = this.#clusters.get(clusterId);
    if (cluster === undefined) return 'unknown';
    if (!cluster.dead && this.isFresh(now) && now >= this.#deadline(cluster)) cluster.dead = true;
    if (cluster.dead) return 'dead';
    return cluster.renewedAt === undefined ? 'unknown' : 'alive';
  }

  /** When the first cluster that is not dead yet would be, if nothing more is heard; undefined if there is none. */
  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const cluster of this.#clusters.values()) {
      if (cluster.dead) continue;
      const deadline = this.#deadline(cluster);
      if (next === undefined || deadline < next) next = deadline;
    }
    return next;
  }

  clusterIds(): readonly string[] {
    return [...this.#clusters.keys()];
  }

  #deadline(cluster: Sighting): number {
    return Math.max(cluster.renewedAt ?? cluster.since, this.#freshSince) + this.#options.leaseDurationMs;
  }
}

function isWithin(time: string | undefined, wallClock: number, toleranceMs: number): boolean {
  if (time === undefined) return false;
  const age = wallClock - Date.parse(time);
  return Math.abs(age) < toleranceMs;
}
