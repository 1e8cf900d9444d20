/** Bounds of a growing delay, in milliseconds. */
export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** 0 ≤ x < 1; Math.random outside of tests. */
  readonly random?: () => number;
}

/**
 * Delay number `failures` (from 0) of an exponential backoff: doubles up to `maxMs`, then varies by ± 50 %,
 * so that a thousand clients that lost the same server do not come back together.
 */
export function backoffDelay(
  failures: number,
  { minMs, maxMs, random = Math.random }: BackoffOptions,
): number {
  const mean = Math.min(maxMs, minMs * 2 ** Math.min(failures, 30));
  return mean * (0.5 + random());
}

/** A backoff that counts by itself. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  next(): number {
    return backoffDelay(this.#failures++, this.#options);
  }

  reset(): void {
    this.#failures = 0;
  }
}
