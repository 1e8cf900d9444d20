import type { Uuid } from './value.ts';

/** Names, for each index, the values under which a row is found. Several, or none, are fine. */
export type Indexes<R> = Readonly<Record<string, (row: R) => readonly string[]>>;

/** The rows of one table and their indexes. */
export class TableContent<R> {
  readonly rows = new Map<Uuid, R>();
  readonly #indexes: readonly (readonly [string, (row: R) => readonly string[]])[];
  /** By index, then value: the UUID, or the UUIDs where several rows share the value. */
  readonly #found: ReadonlyMap<string, Map<string, Uuid | Set<Uuid>>>;

  constructor(indexes: Indexes<R>) {
    this.#indexes = Object.entries(indexes);
    this.#found = new Map(this.#indexes.map(([name]) => [name, new Map()]));
  }

  set(uuid: Uuid, row: R): void {
    const before = this.rows.get(uuid);
    if (before !== undefined) this.#unlist(uuid, before);
    this.rows.set(uuid, row);
    for (const [name, valuesOf] of this.#indexes) {
      const found = this.#found.get(name);
      for (const value of valuesOf(row)) {
        const there = found?.get(value);
        if (there === undefined) found?.set(value, uuid);
        else if (typeof there === 'string') found?.set(value, new Set([there, uuid]));
        else there.add(uuid);
      }
    }
  }

  delete(uuid: Uuid): void {
    const before = this.rows.get(uuid);
    if (before === undefined) return;
    this.#unlist(uuid, before);
    this.rows.delete(uuid);
  }

  find(index: string, value: string): R[] {
    const found = this.#found.get(index);
    if (found === undefined) throw new RangeError(`Cannot look up rows as there is no index ${index}`);
    const there = found.get(value);
    if (there === undefined) return [];
    const uuids = typeof there === 'string' ? [there] : [...there];
    return uuids.map(uuid => this.rows.get(uuid)).filter(row => row !== undefined);
  }

  #unlist(uuid: Uuid, row: R): void {
    for (const [name, valuesOf] of this.#indexes) {
      const found = this.#found.get(name);
      for (const value of valuesOf(row)) {
        const there = found?.get(value);
        if (there === uuid) found?.delete(value);
        else if (there instanceof Set && there.delete(uuid) && there.size === 0) found?.delete(value);
      }
    }
  }
}
