import { watch } from 'node:fs';

/**
 * Yields at once, and again after each change in a directory, until the signal is aborted. Changes that come while
 * the consumer is at work are one: it looks at everything anew anyway.
 *
 * @throws the file system's error where the directory cannot be watched.
 */
export async function* changes(directory: string, signal: AbortSignal): AsyncGenerator<void> {
  let changed = true;
  let wake = () => {};
  const watcher = watch(directory, () => {
    changed = true;
    wake();
  });
  let failure: Error | undefined;
  const stop = () => wake();
  watcher.on('error', error => {
    failure = error;
    wake();
  });
  signal.addEventListener('abort', stop, { once: true });
  try {
    while (!signal.aborted) {
      if (failure) throw failure;
      if (changed) {
        changed = false;
        yield;
        continue;
      }
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
  } finally {
    signal.removeEventListener('abort', stop);
    watcher.close();
  }
}
