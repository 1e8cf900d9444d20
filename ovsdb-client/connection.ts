import type { Socket } from 'node:net';
import { ColumnTypeError, RequestError, UnknownColumnError } from './errors.ts';
import type { Lock } from './lock.ts';
import { type DatabaseSchema, parseSchema } from './schema.ts';
import { findFault, followServer, type ServerMonitor, serverMonitorId, statusOf } from './server-database.ts';
import { Session, type SessionOptions } from './session.ts';

/** What the connection sees of a monitor; its rows do not matter here. */
export interface MonitorSeat {
  readonly id: string;
  readonly isFollowing: boolean;
  start(session: Session, schema: DatabaseSchema): Promise<void>;
  stop(): void;
  fail(error: unknown): void;
  cancelled(): boolean;
  update(method: string, params: readonly unknown[]): void;
}

/** What connections share: it outlives each of them. */
export interface Shared {
  readonly database: string;
  readonly leaderOnly: boolean;
  readonly monitors: ReadonlyMap<string, MonitorSeat>;
  readonly locks: ReadonlyMap<string, Lock>;
  /** The highest log index that was seen, by cluster. */
  readonly seen: Map<string, number>;
  /** Given the schema when everything is in place, and undefined while a new schema is being taken up. */
  onReady(schema: DatabaseSchema | undefined): void;
}

/** One connection to one server: is it the right one, which schema has it, and what goes to which monitor. */
export class Connection {
  readonly session: Session;
  readonly #shared: Shared;
  #server: ServerMonitor | undefined;
  /** The schema that monitors run under, as the server's text. */
  #schemaText: string | undefined;
  #preparing = false;

  constructor(socket: Socket, shared: Shared, options: Omit<SessionOptions, 'onNotification'>) {
    this.#shared = shared;
    this.session = new Session(socket, {
      ...options,
      onNotification: (method, params) => this.#onNotification(method, params),
    });
  }

  /**
   * Looks at the server, then starts locks and monitors.
   *
   * @throws DisconnectedError where it is not the right server, RequestError, ProtocolError
   */
  async prepare(): Promise<void> {
    this.#preparing = true;
    this.#server = await followServer(this.session, server => {
      this.#server = server;
      server.replica.subscribe(() => this.#onServerChange());
    });
    this.#check();
    await Promise.all([...this.#shared.locks.values()].map(lock => lock.start(this.session)));
    await this.#adoptSchema();
    this.#preparing = false;
  }

  /** Starts a monitor; where its own request is at fault, only the monitor fails. */
  async startMonitor(monitor: MonitorSeat, schema: DatabaseSchema): Promise<void> {
    try {
      await monitor.start(this.session, schema);
    } catch (error) {
      const own =
        error instanceof RequestError ||
        error instanceof UnknownColumnError ||
        error instanceof ColumnTypeError;
      if (!own) throw error;
      monitor.fail(error);
    }
  }

  /** Until the schema that was read is still the server's when all monitors run. */
  async #adoptSchema(): Promise<void> {
    for (;;) {
      this.#schemaText = this.#status()?.schema;
      const schema = parseSchema(await this.session.request('get_schema', [this.#shared.database]));
      const monitors = [...this.#shared.monitors.values()];
      await Promise.all(monitors.map(monitor => this.startMonitor(monitor, schema)));
      if (this.#status()?.schema !== this.#schemaText) continue;
      this.#shared.onReady(schema);
      // Those that were made meanwhile.
      const late = [...this.#shared.monitors.values()].filter(monitor => !monitors.includes(monitor));
      await Promise.all(late.map(monitor => this.startMonitor(monitor, schema)));
      return;
    }
  }

  /** The database was converted: a new schema, and all monitors begin again. */
  #readopt(): void {
    if (this.#preparing || !this.session.isOpen) return;
    this.#preparing = true;
    this.#shared.onReady(undefined);
    for (const monitor of this.#shared.monitors.values()) monitor.stop();
    this.#adoptSchema().then(
      () => {
        this.#preparing = false;
      },
      error => this.session.close(error instanceof Error ? error : new Error(String(error))),
    );
  }

  #onNotification(method: string, params: readonly unknown[]): void {
    const name = String(params[0]);
    switch (method) {
      case 'update':
      case 'update2':
      case 'update3':
        if (name === serverMonitorId) this.#server?.update(method, params);
        else this.#shared.monitors.get(name)?.update(method, params);
        return;
      case 'monitor_canceled':
        if (this.#shared.monitors.get(name)?.cancelled()) this.#readopt();
        return;
      case 'locked':
      case 'stolen':
        this.#shared.locks.get(name)?.notice(method);
        return;
    }
  }

  #onServerChange(): void {
    // Before the first answer is complete there is nothing to compare with.
    if (!this.#server?.isFollowing) return;
    try {
      this.#check();
    } catch (error) {
      this.session.close(error as Error);
      return;
    }
    if (this.#schemaText !== undefined && this.#status()?.schema !== this.#schemaText) this.#readopt();
  }

  #check(): void {
    if (this.#server === undefined) return;
    const { database, leaderOnly, seen } = this.#shared;
    const status = this.#status();
    const fault = findFault(status, { database, leaderOnly, seen });
    if (fault !== undefined) throw fault;
    if (status?.cid !== undefined && status.index !== undefined) seen.set(status.cid, status.index);
  }

  #status() {
    return this.#server && statusOf(this.#server, this.#shared.database);
  }
}
