import { setTimeout as wait } from 'node:timers/promises';

/** Milliseconds that one timer of Node can take. */
const longestTimer = 2 ** 31 - 1;

/** @throws the signal's reason when it is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(Math.min(Math.max(0, milliseconds), longestTimer), undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
