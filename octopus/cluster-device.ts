import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../process/log.ts';

/** A candidate that has no way to the pods lets others go first for so long. Milliseconds. */
const patienceMs = 30_000;
const lookMs = 200;

/** Waits for the device towards the pods, which the node agent makes; not for ever, as nobody else may have one either. */
export async function clusterDeviceIsThere(device: string, log: Logger, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!signal.aborted && performance.now() < deadline) {
    const isThere = await access(`/sys/class/net/${device}`).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
  }
  if (!signal.aborted) log.warn({ device }, 'there is no device towards the pods yet');
}
