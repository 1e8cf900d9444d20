/** When an authority is made, takes over, and is forgotten. Pure. */

/** Times are milliseconds since the epoch. */
export interface Authority {
  /** PEM */
  readonly certificate: string;
  /** PEM, PKCS #8. Never logged, never in anything but the Secret. */
  readonly key: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * The generations of an authority that are trusted. `next` is known everywhere before it signs; `previous` has signed
 * what is still in use.
 */
export interface Generations {
  readonly current: Authority;
  readonly next?: Authority;
  readonly previous?: Authority;
}

export interface RotationTimes {
  /** Milliseconds. */
  readonly authorityLifetime: number;
  /** Milliseconds for which `next` is published before it signs. */
  readonly authorityOverlap: number;
}

export type RotationStep =
  | { readonly kind: 'make'; readonly slot: 'current' | 'next' }
  | { readonly kind: 'promote' }
  | { readonly kind: 'forget' }
  /** Nothing to do before this time. */
  | { readonly kind: 'rest'; readonly until: number };

/** The one step to take now; take it and ask again until it is `rest`. */
export function planRotation(
  now: number,
  generations: Generations | undefined,
  { authorityLifetime, authorityOverlap }: RotationTimes,
): RotationStep {
  if (generations === undefined) return { kind: 'make', slot: 'current' };
  const { current, next, previous } = generations;
  if (previous !== undefined && previous.notAfter <= now) return { kind: 'forget' };
  // Whoever does not know its successor yet is served by nobody else either.
  if (current.notAfter <= now)
    return next === undefined ? { kind: 'make', slot: 'current' } : { kind: 'promote' };
  const successorDue = current.notAfter - authorityLifetime / 3;
  if (next === undefined && now >= successorDue) return { kind: 'make', slot: 'next' };
  if (next !== undefined && now >= next.notBefore + authorityOverlap) return { kind: 'promote' };
  const due = next === undefined ? successorDue : next.notBefore + authorityOverlap;
  return { kind: 'rest', until: Math.min(due, current.notAfter, previous?.notAfter ?? due) };
}

/** After `promote`. */
export function promoted({ current, next }: Generations): Generations {
  if (next === undefined)
    throw new TypeError('unreachable: only an authority with a successor is followed by it');
  return { current: next, previous: current };
}

/** PEM of all that are trusted, the one that signs first. */
export function bundle({ current, next, previous }: Generations): string {
  return [current, next, previous]
    .flatMap(one => (one === undefined ? [] : [`${one.certificate.trim()}\n`]))
    .join('');
}
