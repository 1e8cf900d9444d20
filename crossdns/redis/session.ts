import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Backoff } from '../../kube/backoff.ts';
import type { Logger } from '../../process/log.ts';
import { whenAborted } from '../abort.ts';
import type { RedisTarget } from './layout.ts';

/** A command that is not answered in this time ends the session, in milliseconds; blocking reads wait less. */
const commandTimeout = 10_000;
const connectTimeout = 5_000;
/** A session that lasted so long was a good one: waiting begins anew, in milliseconds. */
const goodAfter = 10_000;

/**
 * Works with a Redis again and again: one connection is one session, and after whatever ends it comes the next, with
 * the next of the addresses.
 *
 * @throws the file system's error where the CA cannot be read.
 */
export async function keepSession(
  target: RedisTarget,
  { log, signal }: { log: Logger; signal: AbortSignal },
  work: (redis: Redis, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { Redis } = await import('ioredis');
  const ca = target.ca === undefined ? undefined : await readFile(target.ca);
  const backoff = new Backoff({ minMs: 100, maxMs: 5_000 });
  for (let turn = 0; !signal.aborted; turn++) {
    const begin = performance.now();
    const redis = new Redis(target.urls[turn % target.urls.length] ?? '', {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      connectTimeout,
      commandTimeout,
      ...(ca && target.urls[0]?.startsWith('rediss:') ? { tls: { ca } } : {}),
    });
    const ended = new AbortController();
    const end = () => {
      ended.abort();
      redis.disconnect();
    };
    redis.on('close', end);
    // Said here only: the commands that were under way fail with "Connection is closed".
    let failure: unknown;
    redis.on('error', error => {
      failure ??= error;
      end();
    });
    signal.addEventListener('abort', end, { once: true });
    try {
      await redis.connect();
      await work(redis, ended.signal);
    } catch (error) {
      failure ??= error;
    } finally {
      signal.removeEventListener('abort', end);
      redis.disconnect();
    }
    // Its text only: ioredis puts the command into its errors, of AUTH the password too.
    const reason = failure instanceof Error ? failure.message : failure;
    if (!signal.aborted) log.warn({ reason, redis: target.shown }, 'Redis session ended');
    if (performance.now() - begin > goodAfter) backoff.reset();
    if (!signal.aborted) await Promise.race([sleep(backoff.next()), whenAborted(signal)]);
  }
}
