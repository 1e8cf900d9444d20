import { setTimeout as delay } from 'node:timers/promises';

export interface UntilOptions {
  /** Completes the sentence "… did not happen within 30 s". */
  readonly what: string;
  /** In milliseconds. */
  readonly timeout: number;
  /** Pause between two looks, in milliseconds. */
  readonly interval?: number;
  readonly signal?: AbortSignal | undefined;
  /** Says more about the state that was found, for the error. */
  readonly detail?: () => string | Promise<string>;
}

/**
 * Looks at a condition again and again until it holds.
 *
 * @param condition what it returns, once it is neither undefined nor false, is the result. A rejection ends the wait.
 * @throws Error that names what was waited for.
 */
export async function until<T>(
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  { what, timeout, interval = 100, signal, detail }: UntilOptions,
): Promise<T> {
  const deadline = performance.now() + timeout;
  for (;;) {
    signal?.throwIfAborted();
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) {
      const more = detail === undefined ? '' : `: ${await detail()}`;
      throw new Error(`${what} did not happen within ${timeout / 1000} s${more}`);
    }
    await delay(interval, undefined, signal ? { signal } : {});
  }
}
