import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChainableCommander, Redis } from 'ioredis';
import type { Logger } from '../../process/log.ts';
import type { Catalog } from '../catalog.ts';
import { beatEvery, keptChanges, layoutVersion, type RedisTarget } from './layout.ts';
import { keepSession } from './session.ts';

/** Objects that are written in one transaction. */
const chunk = 200;

/** Keeps a catalog in Redis as it is. */
export class Publisher {
  readonly #target: RedisTarget;
  readonly #catalog: Catalog;
  readonly #log: Logger;
  /** Keys that changed and were not written yet. */
  readonly #changed = new Set<string>();
  /** Present records by key, so that a change is written as it is at the time of writing. */
  readonly #records = new Map<string, string>();
  #wake = () => {};
  #synced = false;
  readonly #life = randomUUID();
  #number = 0;

  constructor(target: RedisTarget, catalog: Catalog, log: Logger) {
    this.#target = target;
    this.#catalog = catalog;
    this.#log = log;
  }

  /** Whether Redis has everything, as far as we know. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Publishes until the signal is aborted. The catalog must be whole: what it lacks is taken out of Redis. */
  async run(signal: AbortSignal): Promise<void> {
    for (const [key, record] of this.#catalog.entries()) this.#records.set(key, JSON.stringify(record));
    const unsubscribe = this.#catalog.subscribe((_, key, record) => {
      if (record === undefined) this.#records.delete(key);
      else this.#records.set(key, JSON.stringify(record));
      this.#changed.add(key);
      this.#wake();
    });
    try {
      await keepSession(this.#target, { log: this.#log, signal }, async (redis, ended) => {
        try {
          await this.#publish(redis, ended);
        } finally {
          this.#synced = false;
        }
      });
    } finally {
      unsubscribe();
    }
  }

  async #publish(redis: Redis, ended: AbortSignal): Promise<void> {
    await this.#reconcile(redis);
    this.#synced = true;
    this.#log.info({ redis: this.#target.shown, objects: this.#records.size }, 'published');
    let nextBeat = 0;
    while (!ended.aborted) {
      await this.#writeChanged(redis);
      if (performance.now() >= nextBeat) {
        nextBeat = performance.now() + beatEvery;
        // Evicted, flushed, or written by another: look at everything again.
        if ((await redis.hlen(this.#target.keys.objects)) !== this.#records.size)
          await this.#reconcile(redis);
        await this.#beat(redis);
      }
      await this.#untilChanged(nextBeat - performance.now(), ended);
    }
  }

  /** Makes the hash what the catalog is. */
  async #reconcile(redis: Redis): Promise<void> {
    const { objects } = this.#target.keys;
    const missing = new Set(this.#records.keys());
    const wrong = new Set<string>();
    for await (const page of redis.hscanStream(objects, { count: 500 })) {
      const fields = page as string[];
      for (let i = 0; i < fields.length; i += 2) {
        const key = fields[i] ?? '';
        if (this.#records.get(key) !== fields[i + 1]) wrong.add(key);
        missing.delete(key);
      }
    }
    for (const key of [...wrong, ...missing]) this.#changed.add(key);
    await this.#writeChanged(redis);
    await this.#beat(redis);
  }

  async #writeChanged(redis: Redis): Promise<void> {
    while (this.#changed.size > 0) {
      const keys = [...this.#changed].slice(0, chunk);
      const transaction = redis.multi();
      for (const [i, key] of keys.entries()) {
        this.#changed.delete(key);
        this.#write(transaction, key, this.#number + i);
      }
      // With the changes, so that a reader can tell at any time whether the hash is whole.
      transaction.hset(this.#target.keys.meta, 'count', String(this.#records.size));
      try {
        await execute(transaction);
        this.#number += keys.length;
      } catch (error) {
        for (const key of keys) this.#changed.add(key);
        throw error;
      }
    }
  }

  #write(transaction: ChainableCommander, key: string, number: number): void {
    const { objects, changes } = this.#target.keys;
    const record = this.#records.get(key);
    if (record === undefined) transaction.hdel(objects, key);
    else transaction.hset(objects, key, record);
    // Numbered, so that a reader sees when one is missing, or when they come from another publisher.
    const fields = ['key', key, 'life', this.#life, 'number', String(number)];
    if (record !== undefined) fields.push('record', record);
    transaction.xadd(changes, 'MAXLEN', '~', keptChanges, '*', ...fields);
  }

  async #beat(redis: Redis): Promise<void> {
    const { meta } = this.#target.keys;
    const beat = { version: layoutVersion, beat: String(Date.now()), count: String(this.#records.size) };
    await execute(redis.multi().hset(meta, beat));
  }

  async #untilChanged(milliseconds: number, ended: AbortSignal): Promise<void> {
    if (this.#changed.size > 0) return;
    const woken = new Promise<void>(resolve => {
      this.#wake = resolve;
      ended.addEventListener('abort', () => resolve(), { once: true });
    });
    const waited = new AbortController();
    const pause = sleep(Math.max(0, milliseconds), undefined, { signal: waited.signal }).catch(() => {});
    await Promise.race([woken, pause]);
    waited.abort();
  }
}

/** @throws the error of the first command that failed: a transaction itself does not. */
async function execute(transaction: ChainableCommander): Promise<void> {
  const results = await transaction.exec();
  if (results === null) throw new Error('Cannot write to Redis as the transaction was discarded');
  for (const [error] of results) if (error) throw error;
}
