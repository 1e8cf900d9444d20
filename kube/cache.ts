import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { type KubeObject, objectKey } from '../api/meta.ts';
import type { Resource } from '../api/resource.ts';
import type { Logger } from '../process/log.ts';
import { Backoff } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import { type KubeMetrics, kubeMetrics } from './metrics.ts';
import { restartReason } from './restart-reason.ts';
import { SliceOfTime } from './slice-of-time.ts';
import { type Change, type Indexes, View } from './view.ts';
import { type WatchFrame, watch } from './watch.ts';

export type { Change } from './view.ts';

export interface CacheOptions<P> {
  readonly client: KubeClient;
  readonly resource: Resource;
  /** All namespaces where it is not given. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /**
   * What is kept of an object; undefined leaves it out. It must not keep the object itself.
   * Where it throws, the object counts as unreadable: the former value stays, and `onUnreadable` is told.
   */
  readonly project: (object: KubeObject) => P | undefined;
  /** Pure functions of the value, by name of the index. */
  readonly indexes?: Indexes<P> | undefined;
  /** Whether a new value says nothing new: the former is kept and nobody is told. */
  readonly unchanged?: ((before: P, after: P) => boolean) | undefined;
  /** Told of objects that could not be read; without it they are logged. */
  readonly onUnreadable?: ((object: KubeObject, error: unknown) => void) | undefined;
  readonly log: Logger;
  readonly metrics?: Registry | undefined;
  /** Label of the metrics, where two caches of a process hold the same resource. */
  readonly name?: string | undefined;
  /** A watch that is silent for so long is begun again; the server sends bookmarks every 60 s. */
  readonly stallMs?: number | undefined;
  /** Bounds of the delay after a failure. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number } | undefined;
}

const defaultStallMs = 75_000;
const defaultBackoff = { minMs: 100, maxMs: 10_000 };
/** Watches live for so long, in seconds, at random between the two: not all of a fleet come back at once. */
const watchLifetime = { min: 290, max: 590 };
/** A watch that lasted so long was a good one, and the backoff begins anew; so does one that spoke and lasted a while. */
const stableMs = { silent: 5_000, spoken: 1_000 };
/** After so many silent watches in a row the version may be one that the server will never reach (a restored etcd). */
const stallsBeforeRelist = 3;
/** After so many lists that outlived their moment, the next asks for one page. */
const expiriesBeforeOnePage = 2;

/**
 * Follows a resource: a list in pages, then watches that resume where the last one ended.
 *
 * The view converges to what the API server has, whatever breaks in between; every change of a value is told once, in
 * order, synchronously, to all subscribers. Nothing leaves the view because something could not be read: an object goes
 * only when the server says so, or a complete list is without it.
 */
export class ObjectCache<P> {
  readonly #options: CacheOptions<P>;
  readonly #view: View<P>;
  readonly #log: Logger;
  readonly #metrics: KubeMetrics | undefined;
  readonly #name: string;
  readonly #backoff: Backoff;
  readonly #waiting = new Set<{ resolve: () => void; reject: (reason: unknown) => void }>();
  #running = false;
  #synced = false;
  #lastContact = Number.NEGATIVE_INFINITY;
  /** Where the next watch begins; undefined asks for a list. */
  #resumeAt: string | undefined;
  #stalls = 0;
  #expiries = 0;
  /** A frame that could not be read came after this version. */
  #malformedAfter: string | undefined;

  constructor(options: CacheOptions<P>) {
    this.#options = options;
    this.#name = options.name ?? options.resource.plural;
    this.#log = options.log.child({ cache: this.#name });
    this.#view = new View(options.indexes ?? {}, this.#log);
    this.#metrics = options.metrics && kubeMetrics(options.metrics);
    this.#backoff = new Backoff(options.backoff ?? defaultBackoff);
  }

  /** True once a first list was complete, and from then on. */
  get hasSynced(): boolean {
    return this.#synced;
  }

  /**
   * performance.now() of the last proof that the view is what the server has: a complete list, or a frame of the watch.
   * On a resource that nobody writes, the proof is a bookmark a minute.
   */
  get lastContact(): number {
    return this.#lastContact;
  }

  get size(): number {
    return this.#view.size;
  }

  get(key: string): P | undefined {
    return this.#view.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#view.keys();
  }

  values(): IterableIterator<P> {
    return this.#view.values();
  }

  /** @throws TypeError for an index that was not declared. */
  byIndex(index: string, value: string): readonly P[] {
    return this.#view.byIndex(index, value);
  }

  /** Tells of every later change; what is there already is not told. The returned function ends it. */
  subscribe(subscriber: (change: Change<P>) => void): () => void {
    return this.#view.subscribe(subscriber);
  }

  /**
   * Resolves when the first list is complete.
   *
   * @throws the reason of the signal, or that of run's signal where it ended before.
   */
  async synced(signal?: AbortSignal): Promise<void> {
    if (this.#synced) return;
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resolve, reject };
    const onAbort = () => reject(signal?.reason);
    this.#waiting.add(waiter);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      this.#waiting.delete(waiter);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Follows the resource until the signal is aborted, then resolves. May be called again afterwards. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#running) throw new Error(`Cannot run the cache of ${this.#name} as it must not run already`);
    this.#running = true;
    this.#resumeAt = undefined;
    try {
      while (!signal.aborted) await this.#turn(signal);
    } finally {
      this.#running = false;
      for (const waiter of this.#waiting) waiter.reject(signal.reason);
    }
  }

  /** One list or one watch, and the wait after it. */
  async #turn(signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    let retryAfterMs: number | undefined;
    try {
      if (this.#resumeAt === undefined) {
        await this.#list(signal);
        return;
      }
      await this.#watch(this.#resumeAt, signal);
      this.#restarted('ended');
    } catch (error) {
      if (signal.aborted) return;
      retryAfterMs = this.#failed(error);
    }
    const lasted = performance.now() - startedAt;
    const spoke = this.#lastContact > startedAt;
    if (lasted >= (spoke ? stableMs.spoken : stableMs.silent)) this.#backoff.reset();
    const delay = Math.max(this.#backoff.next(), (retryAfterMs ?? 0) * (1 + 0.1 * Math.random()));
    await sleep(delay, undefined, { signal }).catch(() => undefined); // Aborted: run's loop ends.
  }

  /** Decides what a failure means for the next turn. @returns how long the server asks to wait. */
  #failed(error: unknown): number | undefined {
    const known = error instanceof KubeError ? error : undefined;
    const listing = this.#resumeAt === undefined;
    const reason = restartReason(error);
    if (listing) {
      if (known?.status === 410) this.#expiries++;
      this.#log.warn({ err: error }, 'cannot list, trying again');
      return known?.retryAfterMs;
    }
    if (reason === 'expired') this.#resumeAt = undefined;
    if (reason === 'malformed') {
      // The same bytes may come again: the second time a list goes around them.
      if (this.#malformedAfter === this.#resumeAt) this.#resumeAt = undefined;
      this.#malformedAfter = this.#resumeAt;
    }
    if (reason === 'stalled' && ++this.#stalls >= stallsBeforeRelist) {
      this.#stalls = 0;
      this.#resumeAt = undefined;
    }
    this.#restarted(reason);
    const level = reason === 'expired' || reason === 'stalled' ? 'info' : 'warn';
    this.#log[level]({ err: error, reason, relist: this.#resumeAt === undefined }, 'watch broke');
    return known?.retryAfterMs;
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { min, max } = watchLifetime;
    const stallMs = this.#options.stallMs ?? defaultStallMs;
    await watch({
      client: this.#options.client,
      resource: this.#options.resource,
      namespace: this.#options.namespace,
      labelSelector: this.#options.labelSelector,
      fieldSelector: this.#options.fieldSelector,
      resourceVersion,
      lifetimeSeconds: Math.round(min + Math.random() * (max - min)),
      stallMs: stallMs * (1 + 0.2 * Math.random()),
      signal,
      onFrame: frame => this.#take(frame),
    });
  }

  #take(frame: WatchFrame): void {
    if (frame.type === 'DELETED') {
      const key = keyOf(frame.object);
      if (key !== undefined) this.#view.delete(key);
    } else if (frame.type !== 'BOOKMARK') {
      this.#read(frame.object);
    }
    // After the change: a frame that was not applied must come again.
    this.#resumeAt = frame.resourceVersion;
    this.#malformedAfter = undefined;
    this.#stalls = 0;
    this.#contact();
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector } = this.#options;
    const onePage = this.#expiries >= expiriesBeforeOnePage;
    const seen = new Set<string>();
    const slice = new SliceOfTime();
    let resourceVersion = '';
    const selection = { namespace, labelSelector, fieldSelector };
    const limit = onePage ? Number.POSITIVE_INFINITY : undefined;
    for await (const page of client.listPages(resource, { ...selection, limit, signal })) {
      await slice.giveWay();
      for (const item of page.items) {
        const key = this.#read(item);
        if (key !== undefined) seen.add(key);
        if (slice.over()) await slice.giveWay();
        signal.throwIfAborted();
      }
      resourceVersion = page.resourceVersion;
    }
    for (const key of [...this.#view.keys()]) {
      if (!seen.has(key)) this.#view.delete(key);
      if (slice.over()) await slice.giveWay();
      signal.throwIfAborted();
    }
    this.#resumeAt = resourceVersion;
    this.#expiries = 0;
    this.#contact();
    this.#becomeSynced();
  }

  /** Takes one object into the view. @returns its key, undefined where it has none. */
  #read(object: KubeObject): string | undefined {
    const key = keyOf(object);
    const version = object?.metadata?.resourceVersion;
    if (key === undefined || typeof version !== 'string') {
      this.#unreadable(
        object,
        new Error('Cannot read an object as it must have a name and a resourceVersion'),
      );
      return key;
    }
    if (this.#view.resourceVersion(key) === version) return key;
    try {
      const value = this.#options.project(object);
      if (value === undefined) this.#view.delete(key);
      else this.#view.set(key, value, version, before => this.#options.unchanged?.(before, value) ?? false);
    } catch (error) {
      this.#view.touch(key, version);
      this.#unreadable(object, error);
    }
    return key;
  }

  #unreadable(object: KubeObject, error: unknown): void {
    this.#metrics?.unreadable.inc({ cache: this.#name });
    if (this.#options.onUnreadable === undefined) {
      this.#log.warn({ err: error, key: keyOf(object) }, 'object is unreadable, its former value is kept');
      return;
    }
    try {
      this.#options.onUnreadable(object, error);
    } catch (own) {
      this.#log.error({ err: own, key: keyOf(object) }, 'the report of an unreadable object failed');
    }
  }

  #becomeSynced(): void {
    if (this.#synced) return;
    this.#synced = true;
    this.#log.debug({ objects: this.size }, 'cache is synced');
    for (const waiter of this.#waiting) waiter.resolve();
  }

  #contact(): void {
    this.#lastContact = performance.now();
    this.#metrics?.cacheObjects.set({ cache: this.#name }, this.size);
  }

  #restarted(reason: string): void {
    this.#metrics?.watchRestarts.inc({ cache: this.#name, reason });
  }
}

/** Undefined for what does not even have a name. */
function keyOf(object: KubeObject): string | undefined {
  const { name, namespace } = object?.metadata ?? {};
  if (typeof name !== 'string' || name === '') return undefined;
  return objectKey(typeof namespace === 'string' ? namespace : undefined, name);
}
