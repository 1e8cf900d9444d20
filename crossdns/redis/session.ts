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
 * the next of the addresses. Nothing is carried over, so each session begins by looking at everything.
 */
export async function keepSession(
  target: RedisTarget,
  { log, signal }: { log: Logger; signal: AbortSignal },
  work: (redis: Redis, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { Redis } = await import('ioredis');
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
    });
    const ended = new AbortController();
    const end = () => ended.abort();
    redis.on('close', end);
    // Every failure rejects the command that was under way too.
    redis.on('error', end);
    signal.addEventListener('abort', end, { once: true });
    try {
      await redis.connect();
      await work(redis, ended.signal);
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, redis: target.shown }, 'Redis session ended');
    } finally {
      signal.removeEventListener('abort', end);
      redis.disconnect();
    }
    if (performance.now() - begin > goodAfter) backoff.reset();
    if (!signal.aborted) await Promise.race([sleep(backoff.next()), whenAborted(signal)]);
  }
}
