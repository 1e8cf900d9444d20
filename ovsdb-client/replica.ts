import { setImmediate } from 'node:timers/promises';
import type { Condition } from './condition.ts';
import { sameValue } from './decode.ts';
import { type AnyRow, applyRowUpdate, rowUpdates, type UpdateFormat } from './row-update.ts';
import type { ColumnSchema } from './schema.ts';
import { type Indexes, TableContent } from './table-content.ts';
import type { Uuid } from './value.ts';

/** What is kept of one table. */
export interface TableRequest<R, C extends keyof R & string = keyof R & string> {
  readonly columns: readonly C[];
  /** Rows for which any of these holds; all where it is not given. (In transactions all must hold.) */
  readonly where?: readonly Condition<R>[];
  readonly indexes?: Indexes<Pick<R, C> & WithUuid>;
}

export interface WithUuid {
  readonly _uuid: Uuid;
}

/** What is kept of a database: by table. */
export type MonitorRequest<DB extends object> = {
  readonly [T in keyof DB & string]?: TableRequest<DB[T], keyof DB[T] & string>;
};

/** The row type that a request leaves of a table. */
export type Kept<DB, Q, T extends keyof Q> = T extends keyof DB
  ? Q[T] extends { readonly columns: readonly (infer C)[] }
    ? Pick<DB[T], C & keyof DB[T]> & WithUuid
    : never
  : never;

/** One row's change; inserted without `before`, deleted without `after`. */
export type Change<DB, Q> = {
  readonly [T in keyof Q & string]: {
    readonly table: T;
    readonly uuid: Uuid;
    readonly before: Kept<DB, Q, T> | undefined;
    readonly after: Kept<DB, Q, T> | undefined;
  };
}[keyof Q & string];

/** The rows of a table, as of the last update. */
export interface ReplicaTable<R> {
  readonly size: number;
  get(uuid: Uuid): R | undefined;
  values(): IterableIterator<R>;
  /** Rows that the index lists under the value. */
  find(index: string, value: string): readonly R[];
}

interface KeptTable {
  readonly name: string;
  readonly columnNames: readonly string[];
  readonly indexes: Indexes<AnyRow>;
  /** Replaced as a whole when everything is read anew. */
  content: TableContent<AnyRow>;
}

/** How long rows are read in one turn of the event loop, in milliseconds. */
const turnMs = 4;

/**
 * An in-memory copy of parts of a database, kept equal to it. While the connection is away it shows what was last
 * known. Rows are never changed in place.
 */
export class Replica<DB extends object, Q extends MonitorRequest<DB>> {
  readonly #tables: ReadonlyMap<string, KeptTable>;
  readonly #listeners = new Set<(changes: readonly Change<DB, Q>[]) => void>();

  constructor(request: Q) {
    const entries = Object.entries(request as unknown as Readonly<Record<string, TableRequest<AnyRow>>>);
    this.#tables = new Map(
      entries.map(([name, { columns, indexes = {} }]) => [
        name,
        {
          name,
          columnNames: columns.filter(column => column !== '_uuid'),
          indexes: indexes as Indexes<AnyRow>,
          content: new TableContent<AnyRow>(indexes as Indexes<AnyRow>),
        },
      ]),
    );
  }

  table<T extends keyof Q & string>(name: T): ReplicaTable<Kept<DB, Q, T>> {
    const table = this.#tables.get(name);
    if (table === undefined) throw new RangeError(`Cannot read ${name} as it is not monitored`);
    return {
      get size() {
        return table.content.rows.size;
      },
      get: uuid => table.content.rows.get(uuid) as Kept<DB, Q, T> | undefined,
      values: () =>
        table.content.rows.values() as IterableIterator<unknown> as IterableIterator<Kept<DB, Q, T>>,
      find: (index, value) => table.content.find(index, value) as unknown[] as Kept<DB, Q, T>[],
    };
  }

  /**
   * Calls the listener after each update that changed something, with all changes of that update: what one transaction
   * changed comes together. What a listener throws is an uncaught exception of the process.
   *
   * @returns ends the subscription.
   */
  subscribe(listener: (changes: readonly Change<DB, Q>[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The columns that are kept, by table. */
  get kept(): Iterable<readonly [string, readonly string[]]> {
    return [...this.#tables].map(([name, { columnNames }]) => [name, columnNames] as const);
  }

  /** Applies what changed; for the monitor that feeds the replica. */
  apply(
    format: UpdateFormat,
    columns: ReadonlyMap<string, readonly ColumnSchema[]>,
    wire: unknown,
    keep: RowFilter,
  ): void {
    const changes: AnyChange[] = [];
    for (const [name, uuid, update] of rowUpdates(wire)) {
      const table = this.#tables.get(name);
      const columnsOfTable = columns.get(name);
      if (table === undefined || columnsOfTable === undefined) continue;
      const before = table.content.rows.get(uuid);
      const row = applyRowUpdate(format, columnsOfTable, uuid, before, update);
      const after = row !== undefined && keep(name, row) ? row : undefined;
      if (after === undefined) table.content.delete(uuid);
      else table.content.set(uuid, after);
      if (before !== undefined || after !== undefined) changes.push({ table: name, uuid, before, after });
    }
    this.#tell(changes);
  }

  /**
   * Replaces everything by what was read anew, and tells of the differences only. Big tables are read in slices; until
   * all are read, the old content is seen.
   */
  async reset(
    format: UpdateFormat,
    columns: ReadonlyMap<string, readonly ColumnSchema[]>,
    wire: unknown,
    keep: RowFilter,
  ): Promise<void> {
    const slices = new Slices();
    const fresh = new Map<string, TableContent<AnyRow>>();
    const changes: AnyChange[] = [];
    for (const [name, { indexes }] of this.#tables) fresh.set(name, new TableContent(indexes));
    for (const [name, uuid, update] of rowUpdates(wire)) {
      const columnsOfTable = columns.get(name);
      const content = fresh.get(name);
      if (columnsOfTable === undefined || content === undefined) continue;
      const row = applyRowUpdate(format, columnsOfTable, uuid, undefined, update);
      if (row === undefined || !keep(name, row)) continue;
      const before = this.#tables.get(name)?.content.rows.get(uuid);
      const same = before !== undefined && sameRow(before, row);
      content.set(uuid, same ? before : row);
      if (!same) changes.push({ table: name, uuid, before, after: row });
      if (slices.isOver) await slices.next();
    }
    for (const [name, table] of this.#tables) {
      const content = fresh.get(name);
      if (content === undefined) continue;
      for (const [uuid, before] of table.content.rows) {
        if (!content.rows.has(uuid)) changes.push({ table: name, uuid, before, after: undefined });
        if (slices.isOver) await slices.next();
      }
    }
    for (const table of this.#tables.values()) table.content = fresh.get(table.name) ?? table.content;
    this.#tell(changes);
  }

  #tell(changes: readonly AnyChange[]): void {
    if (changes.length === 0) return;
    for (const listener of this.#listeners) {
      try {
        listener(changes as unknown as readonly Change<DB, Q>[]);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Whether a row belongs into the replica; for servers that know no conditions. */
export type RowFilter = (table: string, row: AnyRow) => boolean;

interface AnyChange {
  readonly table: string;
  readonly uuid: Uuid;
  readonly before: AnyRow | undefined;
  readonly after: AnyRow | undefined;
}

function sameRow(a: AnyRow, b: AnyRow): boolean {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every(name => sameValue(a[name], b[name]));
}

/** Keeps long work from holding up the event loop. */
class Slices {
  #began = performance.now();
  #steps = 0;

  get isOver(): boolean {
    // The clock is read now and then: it costs about as much as a row.
    return ++this.#steps % 32 === 0 && performance.now() - this.#began > turnMs;
  }

  async next(): Promise<void> {
    await setImmediate();
    this.#began = performance.now();
  }
}
