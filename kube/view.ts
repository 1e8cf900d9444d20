import type { Logger } from '../process/log.ts';
import { KeyIndex } from './key-index.ts';

/** What became of one key. Neither `before` nor `after` is absent at once. */
export interface Change<P> {
  readonly key: string;
  /** Absent where the key is new. */
  readonly before?: P;
  /** Absent where the key is gone. */
  readonly after?: P;
}

export type Indexes<P> = Readonly<Record<string, (value: P) => readonly string[]>>;

interface Entry<P> {
  value: P;
  resourceVersion: string;
}

/** The values of a cache, by key and by index, and who is told of their changes. Values must not be changed by anybody. */
export class View<P> {
  readonly #entries = new Map<string, Entry<P>>();
  readonly #indexers: Indexes<P>;
  readonly #indexes = new Map<string, KeyIndex>();
  readonly #subscribers = new Set<(change: Change<P>) => void>();
  readonly #log: Logger;

  constructor(indexers: Indexes<P>, log: Logger) {
    this.#indexers = indexers;
    this.#log = log;
    for (const name of Object.keys(indexers)) this.#indexes.set(name, new KeyIndex());
  }

  get size(): number {
    return this.#entries.size;
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  *values(): Generator<P, void, undefined> {
    for (const entry of this.#entries.values()) yield entry.value;
  }

  get(key: string): P | undefined {
    return this.#entries.get(key)?.value;
  }

  resourceVersion(key: string): string | undefined {
    return this.#entries.get(key)?.resourceVersion;
  }

  byIndex(name: string, value: string): readonly P[] {
    const index = this.#indexes.get(name);
    if (index === undefined) {
      throw new TypeError(
        `Cannot look up an index as it must be one of ${JSON.stringify([...this.#indexes.keys()])}: current value is ${JSON.stringify(name)}`,
      );
    }
    const found: P[] = [];
    for (const key of index.get(value)) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) found.push(entry.value);
    }
    return found;
  }

  subscribe(subscriber: (change: Change<P>) => void): () => void {
    // A wrapper, so that one function subscribed twice is told twice and stops once.
    const own = (change: Change<P>) => subscriber(change);
    this.#subscribers.add(own);
    return () => this.#subscribers.delete(own);
  }

  /**
   * Sets a value and tells of it.
   *
   * @param silent the value is as good as the former: remember the version only.
   * @throws what an index function throws; nothing has changed then.
   */
  set(key: string, after: P, resourceVersion: string, silent: (before: P) => boolean): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      const added = this.#indexed(after);
      this.#entries.set(key, { value: after, resourceVersion });
      for (const [index, value] of added) index.add(value, key);
      this.#tell({ key, after });
      return;
    }
    const before = entry.value;
    if (silent(before)) {
      entry.resourceVersion = resourceVersion;
      return;
    }
    const added = this.#indexed(after);
    for (const [index, value] of this.#indexed(before)) index.remove(value, key);
    for (const [index, value] of added) index.add(value, key);
    entry.value = after;
    entry.resourceVersion = resourceVersion;
    this.#tell({ key, before, after });
  }

  /** The object of this key was read at a version, but its former value stays. */
  touch(key: string, resourceVersion: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.resourceVersion = resourceVersion;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    for (const [index, value] of this.#indexed(entry.value)) index.remove(value, key);
    this.#entries.delete(key);
    this.#tell({ key, before: entry.value });
  }

  #indexed(value: P): [KeyIndex, string][] {
    const pairs: [KeyIndex, string][] = [];
    for (const [name, index] of this.#indexes) {
      for (const text of this.#indexers[name]?.(value) ?? []) pairs.push([index, text]);
    }
    return pairs;
  }

  /** A subscriber that throws loses nothing for the others, nor for the cache. */
  #tell(change: Change<P>): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(change);
      } catch (error) {
        this.#log.error({ err: error, key: change.key }, 'a subscriber of a cache failed');
      }
    }
  }
}
