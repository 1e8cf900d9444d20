import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { orAborted } from '../abort.ts';
import { layoutVersion, parseRecord, type RedisTarget } from '../redis/layout.ts';
import { keepSession } from '../redis/session.ts';
import type { Source, SourceContext } from './source.ts';

/** How long a read waits for changes before it is looked whether all is well, in milliseconds. */
const readFor = 1_000;
/** Before it is looked again at a Redis that does not have everything, in milliseconds. */
const notWholePause = 500;
const readAtMost = 500;
/** A publisher that is not heard of for so long at one of several addresses may be heard of at another, in ms. */
const silentFor = 15_000;

/** What `nauti dns-publish` keeps in Redis. */
export class RedisSource implements Source {
  readonly name: string;
  readonly #target: RedisTarget;
  readonly #context: SourceContext;
  readonly #firstRead = Promise.withResolvers<void>();
  /** Keys that this source has in the catalog. */
  readonly #keys = new Set<string>();
  readonly #silentFor: number;
  #synced = false;
  /** Where in the stream to go on; kept over lost connections. Undefined where the hash must be read. */
  #at: string | undefined;
  #beat: string | undefined;
  /** Publisher and number of the last change that was read. */
  #life: string | undefined;
  #number = Number.NaN;
  #lastContact = Number.NEGATIVE_INFINITY;

  /** @param options.silentFor see {@link silentFor}; tests shorten it. */
  constructor(target: RedisTarget, context: SourceContext, options: { silentFor?: number } = {}) {
    this.#silentFor = options.silentFor ?? silentFor;
    this.name = `redis ${target.shown}`;
    this.#target = target;
    this.#context = context;
  }

  get synced(): boolean {
    return this.#synced;
  }

  /** When the publisher was last seen to live, by our own clock. */
  get lastContact(): number {
    return this.#lastContact;
  }

  untilSynced(signal: AbortSignal): Promise<void> {
    return orAborted(this.#firstRead.promise, signal);
  }

  run(signal: AbortSignal): Promise<void> {
    const { log } = this.#context;
    return keepSession(this.#target, { log, signal }, (redis, ended) => this.#follow(redis, ended));
  }

  async #follow(redis: Redis, ended: AbortSignal): Promise<void> {
    const connected = performance.now();
    while (!ended.aborted) {
      const count = await this.#readMeta(redis);
      // Nothing is believed of a Redis that lost what says that it is whole; what was known stays.
      if (count === undefined) this.#at = undefined;
      else if (this.#at === undefined || (await this.#isBehind(redis, this.#at, count))) {
        this.#at = await this.#readAll(redis);
      }
      if (this.#at === undefined) await this.#pause(ended);
      else this.#at = await this.#readChanges(redis, this.#at);
      const heard = Math.max(connected, this.#lastContact);
      if (this.#target.urls.length > 1 && performance.now() - heard > this.#silentFor) {
        throw new Error('Cannot follow this Redis as its publisher must be alive; another address is tried');
      }
    }
  }

  #pause(signal: AbortSignal): Promise<unknown> {
    return sleep(notWholePause, undefined, { signal }).catch(() => {});
  }

  /** @returns how many objects there are; undefined while that cannot be told. */
  async #readMeta(redis: Redis): Promise<number | undefined> {
    const { version, beat, count } = await redis.hgetall(this.#target.keys.meta);
    if (version !== layoutVersion || beat === undefined || count === undefined) return undefined;
    if (beat !== this.#beat) this.#lastContact = performance.now();
    this.#beat = beat;
    return Number(count);
  }

  /** Whether the stream is another than the one that was read, or the hash has another size though nothing is new. */
  async #isBehind(redis: Redis, at: string, count: number): Promise<boolean> {
    const { objects, changes } = this.#target.keys;
    const [last] = await redis.xrevrange(changes, '+', '-', 'COUNT', 1);
    if (last === undefined ? at !== '0-0' : isLater(at, last[0])) return true;
    const caughtUp = last === undefined || last[0] === at;
    return caughtUp && (this.#keys.size !== count || (await redis.hlen(objects)) !== count);
  }

  /**
   * Makes the catalog what the hash is.
   *
   * @returns where in the stream to go on; undefined where the hash is not whole, as the publisher is at work or
   * something was evicted: nothing is taken from it then, or it would take names away.
   */
  async #readAll(redis: Redis): Promise<string | undefined> {
    const { objects, changes } = this.#target.keys;
    // Before the hash: what changes while it is read is read again from the stream.
    const [last] = await redis.xrevrange(changes, '+', '-', 'COUNT', 1);
    const records = new Map<string, string>();
    for await (const page of redis.hscanStream(objects, { count: 500 })) {
      const fields = page as string[];
      for (let i = 0; i < fields.length; i += 2) records.set(fields[i] ?? '', fields[i + 1] ?? '');
    }
    const count = await this.#readMeta(redis);
    if (count === undefined || records.size < count) return undefined;
    for (const key of this.#keys) if (!records.has(key)) this.#set(key, undefined);
    for (const [key, text] of records) this.#set(key, text);
    this.#synced = true;
    this.#firstRead.resolve();
    const change = readChange(last?.[1] ?? []);
    this.#life = change.life;
    this.#number = change.number;
    return last?.[0] ?? '0-0';
  }

  /** Waits a while for changes and takes them. @returns where to go on; undefined where one is missing. */
  async #readChanges(redis: Redis, at: string): Promise<string | undefined> {
    const { changes } = this.#target.keys;
    const found = await redis.xread('COUNT', readAtMost, 'BLOCK', readFor, 'STREAMS', changes, at);
    let next = at;
    for (const [id, fields] of found?.[0]?.[1] ?? []) {
      const { key, record, life, number } = readChange(fields);
      if (key === undefined || life !== this.#life || number !== this.#number + 1) return undefined;
      next = id;
      this.#number = number;
      this.#set(key, record);
    }
    return next;
  }

  /** A record that cannot be used leaves what was known of the object. */
  #set(key: string, text: string | undefined): void {
    const own = `redis:${key}`;
    if (text === undefined) {
      this.#keys.delete(key);
      this.#context.catalog.set(own, undefined);
      return;
    }
    this.#keys.add(key);
    try {
      this.#context.catalog.set(own, parseRecord(text));
    } catch (error) {
      this.#context.log.error({ err: error, key }, 'record refused, what was known of it stays');
    }
  }
}

/** What an entry of the stream says. */
function readChange(fields: readonly string[]): {
  key: string | undefined;
  record: string | undefined;
  life: string | undefined;
  number: number;
} {
  const values = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) values.set(fields[i] ?? '', fields[i + 1] ?? '');
  const { key, record, life, number } = Object.fromEntries(values);
  return { key, record, life, number: Number(number) };
}

/** Whether one id of a stream, `<milliseconds>-<number>`, is later than another. */
function isLater(id: string, than: string): boolean {
  const [time = 0, number = 0] = id.split('-').map(Number);
  const [otherTime = 0, otherNumber = 0] = than.split('-').map(Number);
  return time > otherTime || (time === otherTime && number > otherNumber);
}
