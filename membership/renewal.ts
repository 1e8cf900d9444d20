import type { Identity } from './identity.ts';

/**
 * A token is renewed when this part of its life is over. With a week's life that is once a day, so that a cluster
 * that has been without its hub, or switched off, still has most of the week to come back by itself.
 */
const renewAfter = 1 / 7;
/** Spread over a tenth of the wait: the components of a cluster do not all ask at once, and the first saves the rest. */
const spread = 0.1;
/** Where the hub does not say how long a token lives, in milliseconds. */
const assumedLifetimeMs = 3_600_000;
const shortestWaitMs = 1_000;

/**
 * How long to wait until a token is to be renewed, in milliseconds.
 *
 * @param now epoch milliseconds.
 * @param random from 0 to 1.
 */
export function renewalDelay(
  token: Pick<Identity, 'receivedAt' | 'lifetimeMs'>,
  now: number,
  random: number,
): number {
  const lifetimeMs = token.lifetimeMs ?? assumedLifetimeMs;
  const after = lifetimeMs * renewAfter * (1 - spread * random);
  // A clock that was set back would make the token look as if it came from the future.
  const age = Math.max(0, now - token.receivedAt);
  return Math.max(shortestWaitMs, after - age);
}
