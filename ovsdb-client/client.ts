import { setTimeout as wait } from 'node:timers/promises';
import { abortable } from './abortable.ts';
import type { Condition } from './condition.ts';
import type { AnyCondition } from './condition-match.ts';
import { Connection, type MonitorSeat } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import { DisconnectedError, OutcomeUnknownError } from './errors.ts';
import { Lock } from './lock.ts';
import { Monitor } from './monitor.ts';
import { type MonitorRequest, Replica } from './replica.ts';
import type { DatabaseSchema } from './schema.ts';
import type { Transaction, TransactionResult } from './transaction.ts';
import { openSocket, type TlsFiles } from './transport.ts';

export interface ClientOptions {
  /** For example `OVN_Northbound`. */
  readonly database: string;
  /** Tried in turn, beginning with any. */
  readonly endpoints: readonly Endpoint[];
  /** For endpoints `ssl:`. */
  readonly tls?: TlsFiles;
  /** Stay only with the leader of a cluster; a standalone server counts as one. Default true. */
  readonly leaderOnly?: boolean;
  /** The server's silence after which it is probed, and again after which it is given up. Default 5,000 ms; 0: never. */
  readonly probeIntervalMs?: number;
  /** For connecting and everything up to being ready. Default 10,000 ms. */
  readonly connectTimeoutMs?: number;
  /** The pause after a failed round over all endpoints: the first, doubling up to the last. Default 100 and 5,000 ms. */
  readonly backoffMs?: { readonly first: number; readonly last: number };
  /** Default 256 MiB. */
  readonly maxMessageBytes?: number;
  /** Default 64 MiB. */
  readonly maxQueuedBytes?: number;
  /** Told of each change, for logs and metrics. */
  readonly onState?: (state: ClientState) => void;
}

type Resolved = Required<Omit<ClientOptions, 'tls'>> & Pick<ClientOptions, 'tls'>;

const defaults: Omit<Resolved, 'database' | 'endpoints' | 'tls'> = {
  leaderOnly: true,
  probeIntervalMs: 5_000,
  connectTimeoutMs: 10_000,
  backoffMs: { first: 100, last: 5_000 },
  maxMessageBytes: 256 * 1024 * 1024,
  maxQueuedBytes: 64 * 1024 * 1024,
  onState: () => {},
};

export type ClientState =
  | { readonly state: 'connecting'; readonly endpoint: Endpoint }
  | { readonly state: 'ready'; readonly endpoint: Endpoint; readonly schema: DatabaseSchema }
  | { readonly state: 'waiting'; readonly delayMs: number; readonly error: Error }
  | { readonly state: 'closed' };

/** A replica and what can be done with it. */
export interface MonitorHandle<DB extends object, Q extends MonitorRequest<DB>> {
  readonly replica: Replica<DB, Q>;
  /** Whether the replica follows the database now; else it shows what was last known. */
  readonly isFollowing: boolean;
  /** Resolves when the replica is complete for the first time. @throws what the server, or its schema, has against it. */
  synced(signal?: AbortSignal): Promise<void>;
  /** Replaces a table's conditions; any of them must hold. Done when the replica shows it. */
  changeConditions<T extends keyof Q & keyof DB & string>(
    table: T,
    where: readonly Condition<DB[T]>[],
    signal?: AbortSignal,
  ): Promise<void>;
  cancel(): Promise<void>;
}

interface Ready {
  readonly connection: Connection;
  readonly schema: DatabaseSchema;
}

/**
 * One database on one server of several, with monitors and locks that outlive connections. It connects by itself until
 * {@link close}. `DB` is the type of its tables, as `generate-types.ts` writes it.
 */
export class OvsdbClient<DB extends object> implements AsyncDisposable {
  readonly #options: Resolved;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  readonly #monitors = new Map<string, MonitorSeat>();
  readonly #locks = new Map<string, Lock>();
  readonly #seen = new Map<string, number>();
  #state: ClientState;
  #ready: Ready | undefined;
  #whenReady = Promise.withResolvers<void>();
  #monitorsMade = 0;

  constructor(options: ClientOptions) {
    const [endpoint] = options.endpoints;
    if (endpoint === undefined) throw new RangeError('Cannot connect as at least one endpoint must be given');
    this.#options = { ...defaults, ...options };
    this.#state = { state: 'connecting', endpoint };
    this.#ended = this.#run();
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Waits for a connection. @returns the schema of the database as the server has it. */
  async ready(signal?: AbortSignal): Promise<DatabaseSchema> {
    return (await this.#readyConnection(signal)).schema;
  }

  /**
   * Sends a transaction, as soon as there is a connection. Several may be under way at once; the server does them in the
   * order in which they are sent. When it resolves, replicas show what was done.
   *
   * @throws TransactionError where the server refused it: nothing was done.
   * @throws ColumnTypeError, UnknownColumnError where it does not fit the schema: nothing was sent.
   * @throws OutcomeUnknownError where the connection ended before the answer: it was done or not.
   * @throws the signal's reason; unless it was aborted before, the transaction was done or not.
   */
  async transact(
    transaction: Transaction<DB>,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<TransactionResult> {
    for (;;) {
      const { connection, schema } = await this.#readyConnection(signal);
      const params = [this.#options.database, ...transaction.encode(schema)];
      try {
        const result = await connection.session.request('transact', params, { signal });
        return transaction.readResult(schema, result);
      } catch (error) {
        if (!(error instanceof DisconnectedError)) throw error;
        if (!error.sent) continue;
        throw new OutcomeUnknownError('The connection ended before the transaction was answered', {
          cause: error,
        });
      }
    }
  }

  /** Keeps a copy of parts of the database, from now on and over all reconnects. */
  monitor<const Q extends MonitorRequest<DB>>(request: Q): MonitorHandle<DB, Q> {
    const id = `monitor-${++this.#monitorsMade}`;
    const monitor = new Monitor<DB, Q>(id, new Replica<DB, Q>(request), request);
    this.#monitors.set(id, monitor);
    const ready = this.#ready;
    if (ready !== undefined)
      leaveOnError(ready.connection, ready.connection.startMonitor(monitor, ready.schema));
    return {
      replica: monitor.replica,
      get isFollowing() {
        return monitor.isFollowing;
      },
      synced: signal => this.#orClosed(monitor.firstSync, signal),
      changeConditions: (table, where, signal) =>
        this.#orClosed(monitor.changeConditions(table, where as readonly AnyCondition[], signal), undefined),
      cancel: async () => {
        this.#monitors.delete(id);
        const { isFollowing } = monitor;
        monitor.stop();
        if (isFollowing) await this.#ready?.connection.session.request('monitor_cancel', [id]);
      },
    };
  }

  /** Asks for a lock, from now on and over all reconnects. */
  lock(
    name: string,
    options: { readonly steal?: boolean; readonly onChange?: (held: boolean) => void } = {},
  ): Lock {
    if (this.#locks.has(name))
      throw new RangeError(`Cannot ask for the lock ${name} as it must not be asked for twice`);
    const lock = new Lock(name, options.steal ?? false, options.onChange ?? (() => {}));
    this.#locks.set(name, lock);
    const connection = this.#ready?.connection;
    if (connection !== undefined) leaveOnError(connection, lock.start(connection.session));
    return lock;
  }

  /** Gives a lock back and no longer asks for it. */
  async unlock(lock: Lock): Promise<void> {
    this.#locks.delete(lock.name);
    await lock.release();
  }

  /** Ends the connection; what waits is rejected. */
  async close(): Promise<void> {
    this.#closing.abort(new DisconnectedError('The client was closed'));
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #orClosed<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return abortable(abortable(promise, this.#closing.signal), signal);
  }

  async #readyConnection(signal: AbortSignal | undefined): Promise<Ready> {
    for (;;) {
      this.#closing.signal.throwIfAborted();
      if (this.#ready?.connection.session.isOpen) return this.#ready;
      await this.#orClosed(this.#whenReady.promise, signal);
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { endpoints, backoffMs } = this.#options;
    let turn = Math.floor(Math.random() * endpoints.length);
    let failures = 0;
    while (!signal.aborted) {
      const endpoint = endpoints[turn++ % endpoints.length];
      if (endpoint === undefined) throw new RangeError('no endpoint');
      const { served, error } = await this.#serve(endpoint);
      failures = served ? 0 : failures + 1;
      // A pause only after each endpoint had its turn; a connection that served is replaced at once.
      if (signal.aborted || failures === 0 || failures % endpoints.length !== 0) continue;
      const doublings = Math.min(20, failures / endpoints.length - 1);
      const delayMs = Math.min(backoffMs.last, backoffMs.first * 2 ** doublings) * (0.5 + Math.random() / 2);
      this.#setState({ state: 'waiting', delayMs, error });
      await wait(delayMs, undefined, { signal }).catch(() => {});
    }
    this.#setState({ state: 'closed' });
  }

  /** One connection, from its beginning to its end. @returns whether it served for a while, and why it ended. */
  async #serve(endpoint: Endpoint): Promise<{ served: boolean; error: Error }> {
    this.#setState({ state: 'connecting', endpoint });
    const { connectTimeoutMs, tls } = this.#options;
    const connecting = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(connectTimeoutMs)]);
    let readySince = Number.POSITIVE_INFINITY;
    let connection: Connection | undefined;
    const onClose = () => connection?.session.close(this.#closing.signal.reason as Error);
    this.#closing.signal.addEventListener('abort', onClose);
    try {
      const socket = await openSocket(endpoint, tls, connecting);
      connection = this.#connect(endpoint, socket);
      await abortable(connection.prepare(), connecting);
      readySince = performance.now();
      throw await connection.session.ended;
    } catch (error) {
      const reason = error instanceof Error ? error : new DisconnectedError(String(error));
      connection?.session.close(reason);
      return { served: performance.now() - readySince > 1_000, error: reason };
    } finally {
      this.#closing.signal.removeEventListener('abort', onClose);
      this.#setReady(undefined);
      for (const monitor of this.#monitors.values()) monitor.stop();
      for (const lock of this.#locks.values()) lock.stop();
    }
  }

  #connect(endpoint: Endpoint, socket: ConstructorParameters<typeof Connection>[0]): Connection {
    const { database, leaderOnly } = this.#options;
    const connection: Connection = new Connection(
      socket,
      {
        database,
        leaderOnly,
        monitors: this.#monitors,
        locks: this.#locks,
        seen: this.#seen,
        onReady: schema => {
          this.#setReady(schema && { connection, schema });
          this.#setState(schema ? { state: 'ready', endpoint, schema } : { state: 'connecting', endpoint });
        },
      },
      this.#options,
    );
    return connection;
  }

  #setReady(ready: Ready | undefined): void {
    const before = this.#ready;
    this.#ready = ready;
    if (ready !== undefined) this.#whenReady.resolve();
    else if (before !== undefined) this.#whenReady = Promise.withResolvers<void>();
  }

  #setState(state: ClientState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}

/** A step that a running connection could not do ends it: the next one begins from what is known to be right. */
function leaveOnError(connection: Connection, step: Promise<void>): void {
  step.catch(error =>
    connection.session.close(error instanceof Error ? error : new DisconnectedError(String(error))),
  );
}
