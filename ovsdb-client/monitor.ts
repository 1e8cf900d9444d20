import { abortable } from './abortable.ts';
import { encodeConditions } from './condition.ts';
import { type AnyCondition, matchesAny } from './condition-match.ts';
import { DisconnectedError, ProtocolError, RequestError, show } from './errors.ts';
import type { MonitorRequest, Replica, RowFilter } from './replica.ts';
import type { UpdateFormat } from './row-update.ts';
import { type ColumnSchema, columnOf, type DatabaseSchema } from './schema.ts';
import type { Session } from './session.ts';

/** From the best to what every server has. */
const methods = ['monitor_cond_since', 'monitor_cond', 'monitor'] as const;
type Method = (typeof methods)[number];

const noTransaction = '00000000-0000-0000-0000-000000000000';
const keepAll: RowFilter = () => true;

/** What a monitor is doing on the connection that there is; each state owns what belongs to it. */
type State =
  | { readonly state: 'idle' }
  /** Updates that come before the answer belong behind it. */
  | { readonly state: 'asked'; readonly early: (readonly [string, readonly unknown[]])[] }
  | {
      readonly state: 'following';
      readonly session: Session;
      readonly schema: DatabaseSchema;
      readonly method: Method;
      readonly columns: ReadonlyMap<string, readonly ColumnSchema[]>;
    };

/** Feeds a replica from one connection after the other. */
export class Monitor<DB extends object, Q extends MonitorRequest<DB>> {
  /** Names it on the wire, unique among the monitors of a client. */
  readonly id: string;
  readonly replica: Replica<DB, Q>;
  readonly #conditions = new Map<string, readonly AnyCondition[]>();
  #state: State = { state: 'idle' };
  /** The last transaction that the replica has seen, where the server tells. */
  #lastTransaction = noTransaction;
  /** Condition changes that the server has not confirmed. */
  #unconfirmed = 0;
  #conditionsVersion = 0;
  /** Who waits for the replica to show conditions. */
  #awaited: ({ readonly version: number } & PromiseWithResolvers<void>)[] = [];
  #synced = false;
  #failed = false;
  #firstSync = quietResolvers();

  constructor(id: string, replica: Replica<DB, Q>, request: Q) {
    this.id = id;
    this.replica = replica;
    const tables = Object.entries(request as Readonly<Record<string, { where?: readonly AnyCondition[] }>>);
    for (const [table, { where = [] }] of tables) this.#conditions.set(table, where);
  }

  /** Whether the replica was ever complete. */
  get hasSynced(): boolean {
    return this.#synced;
  }

  /** Whether the replica follows the database now. */
  get isFollowing(): boolean {
    return this.#state.state === 'following';
  }

  /** Resolves when the replica was complete for the first time; rejects while the last attempt was refused. */
  get firstSync(): Promise<void> {
    return this.#firstSync.promise;
  }

  /** The server, or its schema, refused it; another connection or schema may not. */
  fail(error: unknown): void {
    this.#state = { state: 'idle' };
    this.#failed = true;
    this.#firstSync.reject(error);
  }

  /**
   * Begins on a new connection, or again after the schema changed. Done when the replica is up to date.
   *
   * @throws RequestError, ProtocolError, UnknownColumnError, DisconnectedError
   */
  async start(session: Session, schema: DatabaseSchema): Promise<void> {
    const early: (readonly [string, readonly unknown[]])[] = [];
    const version = this.#conditionsVersion;
    this.#state = { state: 'asked', early };
    if (this.#failed && !this.#synced) this.#firstSync = quietResolvers();
    this.#failed = false;
    for (const method of methods) {
      try {
        await this.#ask(session, schema, method, early);
        break;
      } catch (error) {
        const unknown = error instanceof RequestError && error.tag === 'unknown method';
        if (!unknown || method === 'monitor') throw error;
      }
    }
    // They were changed while the server was asked for the old ones.
    if (version !== this.#conditionsVersion) await this.#renewConditions(this.#conditions.keys());
    else this.#confirm(version);
    this.#synced = true;
    this.#firstSync.resolve();
  }

  /** The connection ended, or a new schema makes it begin again. */
  stop(): void {
    this.#state = { state: 'idle' };
  }

  /**
   * The server cancelled it, as the database changed.
   *
   * @returns whether it was this very monitor: one that was just asked for is a later one.
   */
  cancelled(): boolean {
    if (this.#state.state !== 'following') return false;
    this.#state = { state: 'idle' };
    return true;
  }

  /** Takes `update`, `update2` and `update3`. */
  update(method: string, params: readonly unknown[]): void {
    if (this.#state.state === 'asked') this.#state.early.push([method, params]);
    if (this.#state.state !== 'following') return;
    const { columns } = this.#state;
    const filter = method === 'update' ? this.#filter() : keepAll;
    this.replica.apply(formatOf(method), columns, params[method === 'update3' ? 2 : 1], filter);
    // Until new conditions are confirmed, rows that match them now may be missing from all that was seen.
    if (method === 'update3' && this.#unconfirmed === 0) this.#lastTransaction = asText(params[1]);
  }

  /**
   * Replaces a table's conditions. Done when the replica shows it; a connection that ends meanwhile is waited for.
   *
   * @throws ColumnTypeError, UnknownColumnError, RequestError
   */
  async changeConditions(table: string, where: readonly AnyCondition[], signal?: AbortSignal): Promise<void> {
    if (!this.#conditions.has(table))
      throw new RangeError(`Cannot change conditions as ${table} is not monitored`);
    this.#conditions.set(table, where);
    const version = ++this.#conditionsVersion;
    this.#lastTransaction = noTransaction;
    const shown = Promise.withResolvers<void>();
    this.#awaited.push({ version, ...shown });
    // Only the wait can be given up: what the server does with the request must be known.
    this.#renewConditions([table]).catch((error: unknown) => {
      if (!(error instanceof DisconnectedError)) shown.reject(error);
    });
    await abortable(shown.promise, signal);
  }

  async #renewConditions(tables: Iterable<string>): Promise<void> {
    if (this.#state.state !== 'following') return;
    const { session, schema, method } = this.#state;
    const version = this.#conditionsVersion;
    if (method === 'monitor') {
      await session.request('monitor_cancel', [this.id]);
      return this.start(session, schema);
    }
    await this.#sendConditions(session, schema, tables);
    this.#confirm(version);
  }

  /** The replica shows these conditions. */
  #confirm(version: number): void {
    for (const { resolve } of this.#awaited.filter(wait => wait.version <= version)) resolve();
    this.#awaited = this.#awaited.filter(wait => wait.version > version);
  }

  async #sendConditions(session: Session, schema: DatabaseSchema, tables: Iterable<string>): Promise<void> {
    const requests: Record<string, unknown> = {};
    for (const table of tables) {
      const where = this.#conditions.get(table) ?? [];
      requests[table] = [{ where: encodeConditions(schema, table, where as never) }];
    }
    this.#unconfirmed++;
    try {
      await session.request('monitor_cond_change', [this.id, this.id, requests]);
    } finally {
      this.#unconfirmed--;
    }
  }

  async #ask(
    session: Session,
    schema: DatabaseSchema,
    method: Method,
    early: readonly (readonly [string, readonly unknown[]])[],
  ): Promise<void> {
    const columns = this.#columns(schema, method);
    const since = method === 'monitor_cond_since' ? [this.#lastTransaction] : [];
    const params = [schema.name, this.id, this.#requests(schema, method, columns), ...since];
    const follow = () => {
      this.#state = { state: 'following', session, schema, method, columns };
      for (const [earlyMethod, earlyParams] of early) this.update(earlyMethod, earlyParams);
    };
    // Applied before the next message is read, so that later updates find the rows that they change.
    await session.request(method, params, {
      apply: async result => {
        await this.#applyFirst(method, columns, result);
        follow();
      },
    });
  }

  async #applyFirst(
    method: Method,
    columns: ReadonlyMap<string, readonly ColumnSchema[]>,
    result: unknown,
  ): Promise<void> {
    if (method !== 'monitor_cond_since') {
      const [format, filter] =
        method === 'monitor' ? (['whole', this.#filter()] as const) : (['difference', keepAll] as const);
      return this.replica.reset(format, columns, result, filter);
    }
    if (!Array.isArray(result)) throw unreadable(result);
    const [found, lastTransaction, updates] = result as unknown[];
    if (found === true) this.replica.apply('difference', columns, updates, keepAll);
    else await this.replica.reset('difference', columns, updates, keepAll);
    this.#lastTransaction = asText(lastTransaction);
  }

  #columns(schema: DatabaseSchema, method: Method): Map<string, readonly ColumnSchema[]> {
    const columns = new Map<string, readonly ColumnSchema[]>();
    for (const [table, names] of this.replica.kept) {
      // A server that knows no conditions must send the columns that they are about.
      const judged = method === 'monitor' ? columnsIn(this.#conditions.get(table) ?? []) : [];
      const all = new Set([...names, ...judged]);
      columns.set(
        table,
        [...all].map(name => columnOf(schema, table, name)),
      );
    }
    return columns;
  }

  #requests(
    schema: DatabaseSchema,
    method: Method,
    columns: ReadonlyMap<string, readonly ColumnSchema[]>,
  ): Record<string, unknown> {
    const requests: Record<string, unknown> = {};
    for (const [table, columnsOfTable] of columns) {
      const names = columnsOfTable.map(column => column.name);
      const where = this.#conditions.get(table) ?? [];
      requests[table] = [
        method === 'monitor' || where.length === 0
          ? { columns: names }
          : { columns: names, where: encodeConditions(schema, table, where as never) },
      ];
    }
    return requests;
  }

  #filter(): RowFilter {
    return (table, row) => matchesAny(row, this.#conditions.get(table) ?? []);
  }
}

/** Nobody needs to wait for it: its rejection alone is no error. */
function quietResolvers(): PromiseWithResolvers<void> {
  const resolvers = Promise.withResolvers<void>();
  resolvers.promise.catch(() => {});
  return resolvers;
}

function columnsIn(conditions: readonly AnyCondition[]): readonly string[] {
  return conditions.flatMap(condition =>
    typeof condition === 'boolean' || condition[0] === '_uuid' ? [] : [condition[0]],
  );
}

function formatOf(method: string): UpdateFormat {
  return method === 'update' ? 'whole' : 'difference';
}

function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw unreadable(value);
}

function unreadable(value: unknown): ProtocolError {
  return new ProtocolError(
    `Cannot read from the server as there must be an answer to monitor_cond_since: current value is ${show(value)}`,
  );
}
