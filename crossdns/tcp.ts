import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../process/log.ts';
import type { SocketAddress } from '../process/parsers.ts';
import type { DnsListener } from './listener.ts';
import type { Responder } from './responder.ts';
import { Connection, type ConnectionLimits } from './tcpconnection.ts';

/** May be changed while the server runs. */
export interface TcpLimits extends ConnectionLimits {
  /** Connections in all; where they are reached, the one that has been idle longest gives way. */
  maxConnections: number;
  /** Connections from one address. */
  maxPerClient: number;
}

export const defaultTcpLimits: Readonly<TcpLimits> = {
  maxConnections: 1_000,
  maxPerClient: 100,
  idleMs: 10_000,
  frameMs: 5_000,
  writeMs: 10_000,
};

export interface TcpOptions {
  readonly responder: Responder;
  readonly limits: TcpLimits;
  readonly log: Logger;
  /** Several processes share the address (SO_REUSEPORT). */
  readonly reusePort?: boolean;
}

export interface TcpListener extends DnsListener {
  /** How many are open. */
  readonly connections: number;
  /** Octets of queries and answers that are kept for all of them. */
  readonly kept: number;
}

/** How often the deadlines of all connections are looked at, in milliseconds. */
const patrolEvery = 500;

/** How long a stopping server waits for clients to take their answers, in milliseconds. */
const closeLimit = 1_000;

/**
 * Answers on a TCP address (RFC 7766).
 *
 * @throws the socket's error where it cannot be bound.
 */
export async function listenTcp(
  address: SocketAddress,
  { responder, limits, log, reusePort = false }: TcpOptions,
): Promise<TcpListener> {
  const connections = new ConnectionSet(responder, limits);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => connections.accept(socket));
  await listen(server, address, reusePort);
  server.on('error', error => log.error({ err: error }, 'TCP socket failed'));
  const patrol = setInterval(() => connections.patrol(performance.now()), patrolEvery).unref();
  const bound = server.address();
  return {
    get kept() {
      return connections.kept;
    },
    get connections() {
      return connections.size;
    },
    address:
      typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : address,
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      // What the kernel had received is read in the next turns of the event loop.
      await new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)));
      connections.finish();
      const force = setTimeout(() => connections.destroy(), closeLimit);
      await closed;
      clearTimeout(force);
      clearInterval(patrol);
    },
  };
}

/** The open connections of one server, within the limits. */
class ConnectionSet {
  readonly #responder: Responder;
  readonly #limits: TcpLimits;
  readonly #open = new Set<Connection>();
  readonly #byClient = new Map<string, number>();

  constructor(responder: Responder, limits: TcpLimits) {
    this.#responder = responder;
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  get kept(): number {
    let sum = 0;
    for (const connection of this.#open) sum += connection.kept;
    return sum;
  }

  accept(socket: Socket): void {
    const client = socket.remoteAddress;
    const own = client === undefined ? 0 : (this.#byClient.get(client) ?? 0);
    if (client === undefined || own >= this.#limits.maxPerClient || !this.#makeRoom()) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, this.#responder, this.#limits);
    this.#open.add(connection);
    this.#byClient.set(client, own + 1);
    socket.once('close', () => this.#forget(connection, client));
  }

  /** Ends connections whose deadline has passed. */
  patrol(now: number): void {
    for (const connection of this.#open) if (connection.deadline <= now) connection.destroy();
  }

  /** Ends every connection as soon as its client has taken its answers. */
  finish(): void {
    for (const connection of this.#open) connection.finish();
  }

  destroy(): void {
    for (const connection of this.#open) connection.destroy();
  }

  #makeRoom(): boolean {
    if (this.#open.size < this.#limits.maxConnections) return true;
    let oldest: Connection | undefined;
    for (const connection of this.#open) {
      if (connection.isIdle && (oldest === undefined || connection.deadline < oldest.deadline)) {
        oldest = connection;
      }
    }
    if (oldest === undefined) return false;
    this.#open.delete(oldest);
    oldest.destroy();
    return true;
  }

  #forget(connection: Connection, client: string): void {
    this.#open.delete(connection);
    const left = (this.#byClient.get(client) ?? 1) - 1;
    if (left === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, left);
  }
}

function listen(server: Server, address: SocketAddress, reusePort: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: address.port, host: address.host, exclusive: true, reusePort }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
