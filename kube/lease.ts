import type { KubeObject } from '../api/meta.ts';

/** What a Lease says of its holder. Absent fields are those of a lease that nobody holds. */
export interface LeaseRecord {
  /** Empty where nobody holds it. */
  readonly holder: string;
  readonly durationMs: number;
  /** RFC 3339 with microseconds, as it stands in the object. */
  readonly acquireTime: string | undefined;
  readonly renewTime: string | undefined;
  readonly transitions: number;
}

/** A lease of nonsense must not lock everybody out for ever. */
const maxDurationMs = 3_600_000;

export function readLease(object: KubeObject): LeaseRecord {
  const spec = (object.spec ?? {}) as Readonly<Record<string, unknown>>;
  const { holderIdentity, leaseDurationSeconds, acquireTime, renewTime, leaseTransitions } = spec;
  const seconds =
    typeof leaseDurationSeconds === 'number' && leaseDurationSeconds > 0 ? leaseDurationSeconds : 0;
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    durationMs: Math.min(seconds * 1000, maxDurationMs),
    acquireTime: typeof acquireTime === 'string' ? acquireTime : undefined,
    renewTime: typeof renewTime === 'string' ? renewTime : undefined,
    transitions: typeof leaseTransitions === 'number' && leaseTransitions > 0 ? leaseTransitions : 0,
  };
}

/** The spec with which `identity` takes, or keeps, a lease. Same meaning of the fields as client-go gives them. */
export function heldBy(
  identity: string,
  before: LeaseRecord | undefined,
  durationMs: number,
  now: Date,
): Record<string, unknown> {
  const own = before?.holder === identity;
  return {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(durationMs / 1000),
    acquireTime: (own && before.acquireTime) || microTime(now),
    renewTime: microTime(now),
    leaseTransitions: before === undefined ? 0 : before.transitions + (own ? 0 : 1),
  };
}

/** The spec of a lease that its holder gives back: free for whoever comes next. */
export function released(before: LeaseRecord, now: Date): Record<string, unknown> {
  return {
    holderIdentity: '',
    leaseDurationSeconds: 1,
    acquireTime: microTime(now),
    renewTime: microTime(now),
    leaseTransitions: before.transitions,
  };
}

/** metav1.MicroTime: the API server refuses other precisions. */
export function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}

/**
 * Decides whether a lease is free, on the observer's own clock only: the holder's times are never compared with ours,
 * clocks differ. A lease is over when it was seen unchanged for as long as it says that it lasts.
 */
export class LeaseObserver {
  #renewal: string | undefined;
  #seenAt = 0;

  /** @param now performance.now() after the record was read. @returns how long the lease still binds us, 0 where free. */
  observe(record: LeaseRecord, now: number): number {
    const renewal = `${record.holder}\n${record.renewTime}\n${record.transitions}`;
    if (renewal !== this.#renewal) {
      this.#renewal = renewal;
      this.#seenAt = now;
    }
    if (record.holder === '') return 0;
    return Math.max(0, this.#seenAt + record.durationMs - now);
  }
}
