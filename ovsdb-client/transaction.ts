import { type Condition, encodeConditions, encodeMutations, type Mutation } from './condition.ts';
import { decode } from './decode.ts';
import { encode } from './encode.ts';
import { ProtocolError, show, TransactionError } from './errors.ts';
import { checkLockName } from './lock.ts';
import { columnOf, type DatabaseSchema, tableOf } from './schema.ts';
import { type ColumnInput, isUuid, NewRow, type RowInput, type Uuid } from './value.ts';

interface Operation {
  /** For errors: `insert into Logical_Switch_Port`. */
  readonly what: string;
  encode(schema: DatabaseSchema): Record<string, unknown>;
}

/** Stands for the rows that a `select` will find. */
export interface Selection<R> {
  readonly operation: number;
  readonly table: string;
  readonly columns: readonly (keyof R & string)[];
}

type Table<DB> = keyof DB & string;

/**
 * Operations that are done together or not at all (RFC 7047 section 5.2), in the order of the calls. Building it needs
 * no connection; values are checked against the server's schema when it is sent. It can be sent again.
 */
export class Transaction<DB extends object> {
  readonly #operations: Operation[] = [];

  /** How many operations it has; the next one gets this number. */
  get size(): number {
    return this.#operations.length;
  }

  /**
   * Inserts a row. Columns that are left out get their defaults.
   *
   * @param uuid the row's UUID where it must be known beforehand (OVS ≥ 2.13); the server refuses one that exists.
   * @returns what stands for the row in later operations and in the result.
   */
  insert<T extends Table<DB>>(table: T, row: RowInput<DB[T]>, uuid?: Uuid): NewRow {
    const name = `row${this.size}`;
    const newRow = new NewRow(name, this.size);
    this.#add(`insert into ${table}`, schema => ({
      op: 'insert',
      table,
      row: encodeRow(schema, table, row),
      'uuid-name': name,
      ...(uuid === undefined ? {} : { uuid }),
    }));
    return newRow;
  }

  select<T extends Table<DB>, C extends keyof DB[T] & string>(
    table: T,
    where: readonly Condition<DB[T]>[],
    columns: readonly C[],
  ): Selection<Pick<DB[T], C>> {
    const operation = this.size;
    this.#add(`select from ${table}`, schema => ({
      op: 'select',
      table,
      where: encodeConditions(schema, table, asWire(where)),
      columns: columns.map(column => columnOf(schema, table, column).name),
    }));
    return { operation, table, columns };
  }

  /** @returns the number of the operation, for {@link TransactionResult.count}. */
  update<T extends Table<DB>>(table: T, where: readonly Condition<DB[T]>[], row: RowInput<DB[T]>): number {
    return this.#add(`update of ${table}`, schema => ({
      op: 'update',
      table,
      where: encodeConditions(schema, table, asWire(where)),
      row: encodeRow(schema, table, row),
    }));
  }

  /** @returns the number of the operation, for {@link TransactionResult.count}. */
  mutate<T extends Table<DB>>(
    table: T,
    where: readonly Condition<DB[T]>[],
    mutations: readonly Mutation<DB[T]>[],
  ): number {
    return this.#add(`mutate of ${table}`, schema => ({
      op: 'mutate',
      table,
      where: encodeConditions(schema, table, asWire(where)),
      mutations: encodeMutations(schema, table, mutations as readonly (readonly [string, string, unknown])[]),
    }));
  }

  /** @returns the number of the operation, for {@link TransactionResult.count}. */
  delete<T extends Table<DB>>(table: T, where: readonly Condition<DB[T]>[]): number {
    return this.#add(`delete from ${table}`, schema => ({
      op: 'delete',
      table,
      where: encodeConditions(schema, table, asWire(where)),
    }));
  }

  /**
   * Goes on only when the rows that `where` finds, seen through `columns`, are (or are not) exactly `rows`.
   *
   * @param timeoutMs how long the server may wait for that; 0, the default, fails at once with `timed out`.
   */
  wait<T extends Table<DB>, C extends keyof DB[T] & string>(
    table: T,
    where: readonly Condition<DB[T]>[],
    columns: readonly C[],
    until: '==' | '!=',
    rows: readonly { readonly [K in C]: ColumnInput<DB[T][K]> }[],
    timeoutMs = 0,
  ): void {
    this.#add(`wait on ${table}`, schema => ({
      op: 'wait',
      table,
      timeout: timeoutMs,
      where: encodeConditions(schema, table, asWire(where)),
      columns: columns.map(column => columnOf(schema, table, column).name),
      until,
      rows: rows.map(row => encodeRow(schema, table, row)),
    }));
  }

  /** Fails with `not owner` unless this connection holds the lock. */
  assert(lock: string): void {
    checkLockName(lock);
    this.#add('assert', () => ({ op: 'assert', lock }));
  }

  /** A line for the database's log. */
  comment(comment: string): void {
    this.#add('comment', () => ({ op: 'comment', comment }));
  }

  /** With `durable` the answer comes only after the transaction is on stable storage. */
  commit(durable: boolean): void {
    this.#add('commit', () => ({ op: 'commit', durable }));
  }

  /** Makes the transaction fail, after all before it was checked. */
  abort(): void {
    this.#add('abort', () => ({ op: 'abort' }));
  }

  /** @throws ColumnTypeError, UnknownColumnError */
  encode(schema: DatabaseSchema): unknown[] {
    return this.#operations.map(operation => operation.encode(schema));
  }

  /**
   * Reads the server's answer.
   *
   * @throws TransactionError where any operation, or the commit, failed; ProtocolError where it is not an answer.
   */
  readResult(schema: DatabaseSchema, result: unknown): TransactionResult {
    if (!Array.isArray(result)) throw unreadable(result);
    result.forEach((entry: unknown, index) => {
      if (typeof entry !== 'object' || entry === null || (entry as { error?: unknown }).error === undefined)
        return;
      // Errors of the commit itself come as one element more than there are operations.
      const operation = this.#operations[index];
      if (operation === undefined) throw new TransactionError(entry, undefined, 'the commit');
      throw new TransactionError(entry, index, `${operation.what} (operation ${index})`);
    });
    return new TransactionResult(schema, result as readonly Record<string, unknown>[]);
  }

  #add(what: string, encodeOperation: Operation['encode']): number {
    return this.#operations.push({ what, encode: encodeOperation }) - 1;
  }
}

/** What a committed transaction did. */
export class TransactionResult {
  readonly #schema: DatabaseSchema;
  readonly #entries: readonly Record<string, unknown>[];

  constructor(schema: DatabaseSchema, entries: readonly Record<string, unknown>[]) {
    this.#schema = schema;
    this.#entries = entries;
  }

  /** The UUID that an inserted row got. */
  uuidOf(row: NewRow): Uuid {
    const wire = this.#entries[row.operation]?.uuid;
    if (Array.isArray(wire) && isUuid(wire[1])) return wire[1];
    throw unreadable(this.#entries[row.operation]);
  }

  /** How many rows an update, mutate or delete met. */
  count(operation: number): number {
    const count = this.#entries[operation]?.count;
    if (typeof count === 'number') return count;
    throw unreadable(this.#entries[operation]);
  }

  rows<R>(selection: Selection<R>): readonly R[] {
    const rows = this.#entries[selection.operation]?.rows;
    if (!Array.isArray(rows)) throw unreadable(this.#entries[selection.operation]);
    const table = tableOf(this.#schema, selection.table).name;
    return rows.map(row => {
      const wire = row as Readonly<Record<string, unknown>>;
      return Object.fromEntries(
        selection.columns.map(name => [name, decode(columnOf(this.#schema, table, name), wire[name])]),
      ) as R;
    });
  }
}

type WireCondition = Parameters<typeof encodeConditions>[2];

function asWire(where: readonly unknown[]): WireCondition {
  return where as WireCondition;
}

function encodeRow(schema: DatabaseSchema, table: string, row: object): Record<string, unknown> {
  const wire: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) wire[name] = encode(columnOf(schema, table, name), value);
  return wire;
}

function unreadable(value: unknown): ProtocolError {
  return new ProtocolError(
    `Cannot read the answer to a transaction as it must be a list with a result for each operation: current value is ${show(value)}`,
  );
}
