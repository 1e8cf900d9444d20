import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../process/log.ts';

/**
 * Tells of every change of devices, addresses and routes, whoever made it, until the signal is aborted. What is told is
 * only that something changed; who is told looks for himself.
 */
export async function watchKernel(onChange: () => void, log: Logger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', 'ip', '-o', 'monitor', 'link', 'address', 'route'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    const end = () => child.kill('SIGKILL');
    signal.addEventListener('abort', end, { once: true });
    child.stdout.on('data', () => onChange());
    await new Promise<void>(resolve => {
      child.once('error', () => resolve());
      child.once('exit', () => resolve());
    });
    signal.removeEventListener('abort', end);
    if (signal.aborted) return;
    log.warn('ip monitor ended, it is started again');
    await sleep(1_000, undefined, { signal }).catch(() => undefined);
  }
}
