/**
 * Which clusters renew their leases, as this process sees it: by seeing them change, never by comparing the times that
 * clusters write with its own clock. All times are milliseconds of one monotonic clock.
 */

/** A cluster may be silent for so long if its lease does not say. */
const defaultDurationMs = 15_000;
const shortestDurationMs = 5_000;
const longestDurationMs = 3_600_000;

interface Sighting {
  renewTime: string | undefined;
  durationMs: number;
  seenAt: number;
  /** Seen to change, not only found. */
  changed: boolean;
}

export class LeaseWatch {
  readonly #sightings = new Map<string, Sighting>();
  #contact = Number.NEGATIVE_INFINITY;
  /** Since when the view is unbroken. */
  #freshSince = 0;

  /** A lease as it is now. */
  observe(
    id: string,
    lease: { renewTime?: string | undefined; durationMs?: number | undefined },
    now: number,
  ): void {
    const durationMs = Math.min(
      Math.max(lease.durationMs ?? defaultDurationMs, shortestDurationMs),
      longestDurationMs,
    );
    const before = this.#sightings.get(id);
    const changed = before !== undefined && before.renewTime !== lease.renewTime;
    this.#sightings.set(id, {
      renewTime: lease.renewTime,
      durationMs,
      seenAt: before === undefined || changed ? now : before.seenAt,
      changed: changed || (before?.changed ?? false),
    });
  }

  /** A cluster that has a Peer and no lease: it is silent from now on. */
  missing(id: string, now: number): void {
    const before = this.#sightings.get(id);
    if (before?.renewTime === undefined && before !== undefined) return;
    this.#sightings.set(id, {
      renewTime: undefined,
      durationMs: defaultDurationMs,
      seenAt: now,
      changed: false,
    });
  }

  forget(id: string): void {
    this.#sightings.delete(id);
  }

  /** The view was proven fresh at a time: by a frame of the watch or a complete list. */
  proveFresh(at: number): void {
    this.#contact = Math.max(this.#contact, at);
  }

  /**
   * The API server may have been away until now, for the clusters too: their silence counts from now on only. Called
   * when this process begins to lead; a leader that cannot reach the API server for 10 s stops to be one, and that is
   * shorter than the leases that clusters have.
   */
  startOver(now: number): void {
    this.#freshSince = now;
  }

  sign(id: string): 'renewing' | 'silent' | 'unknown' {
    const sighting = this.#sightings.get(id);
    if (sighting === undefined) return 'unknown';
    const silentFor = this.#contact - Math.max(sighting.seenAt, this.#freshSince);
    if (silentFor >= sighting.durationMs) return 'silent';
    return sighting.changed ? 'renewing' : 'unknown';
  }

  ids(): IterableIterator<string> {
    return this.#sightings.keys();
  }
}
