import { setTimeout as wait } from 'node:timers/promises';

/**
 * Asks again until the answer satisfies, at most `withinMs`.
 *
 * @returns the answer and how long it took, in milliseconds.
 * @throws with the last answer or error where the time is up.
 */
export async function eventually<T>(
  what: string,
  withinMs: number,
  ask: () => Promise<T>,
  satisfies: (answer: T) => boolean,
): Promise<{ readonly answer: T; readonly afterMs: number }> {
  const begin = performance.now();
  let last: unknown;
  while (performance.now() - begin < withinMs) {
    try {
      const answer = await ask();
      if (satisfies(answer)) return { answer, afterMs: performance.now() - begin };
      last = answer;
    } catch (error) {
      last = error;
    }
    await wait(100);
  }
  const shown = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`${what}: not within ${withinMs / 1000} s; last seen: ${shown}`);
}
