/** Carries what the members of OVN's databases say to each other, by TLS between their pods. */
import { readFile, realpath } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectByTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Logger } from '../process/log.ts';
import { type Place, type Plan, services, type Wish } from './link-plan.ts';

/** What takes longer to connect is given up, in milliseconds. */
const patience = 5_000;
/** RAFT and northd of two other members need a dozen. */
const maxConnections = 128;
const tlsVersion = 'TLSv1.3';

export interface LinkOptions {
  readonly plan: Plan;
  /** Where this member listens by TLS. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Where another one does; the host's name must be in its certificate. */
  readonly placeOf: (
    member: number,
    wish: Wish,
  ) => {
    readonly host: string;
    readonly port: number;
    readonly servername: string;
  };
  /** Holds `current`, a link to a directory with tls.key, tls.crt and ca.crt. */
  readonly directory: string;
  readonly log: Logger;
}

interface Credentials {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** The way between the members, from one of them. Who has no certificate of the authority gets nowhere. */
export class Link {
  readonly #options: LinkOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #tls: ReturnType<typeof createTlsServer> | undefined;
  #read = '';
  #credentials: Credentials | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** @throws Error where the certificate cannot be read, or a socket cannot be listened on. */
  async open(): Promise<void> {
    const { plan, listen } = this.#options;
    await this.refresh();
    const { log } = this.#options;
    this.#tls = createTlsServer({
      ...this.#credentials,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: tlsVersion,
      ALPNProtocols: [...services],
      handshakeTimeout: patience,
    });
    this.#tls.on('secureConnection', remote => this.#serve(remote));
    this.#tls.on('tlsClientError', error => log.warn({ err: error }, 'refused who wanted to connect'));
    await this.#listen(this.#tls, listen);
    for (const { host, port, member, service } of plan.listeners) {
      const server = createServer(socket => this.#carry(socket, member, service));
      await this.#listen(server, { host, port });
    }
  }

  /** Reads key and certificates again where they have changed; open connections keep those that they have. */
  async refresh(): Promise<void> {
    const found = await realpath(join(this.#options.directory, 'current'));
    if (found === this.#read) return;
    const [key, cert, ca] = await Promise.all(
      ['tls.key', 'tls.crt', 'ca.crt'].map(name => readFile(join(found, name), 'utf8')),
    );
    this.#credentials = { key: key ?? '', cert: cert ?? '', ca: ca ?? '' };
    this.#tls?.setSecureContext(this.#credentials);
    this.#read = found;
  }

  /** Ends all listeners and connections. */
  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The port that was listened on by TLS, where 0 was asked for. */
  get port(): number {
    const address = this.#tls?.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async #listen(server: Server, at: { readonly host: string; readonly port: number }): Promise<void> {
    server.maxConnections = maxConnections;
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(at, () => {
        server.off('error', reject);
        server.on('error', error => this.#options.log.warn({ err: error }, 'cannot accept a connection'));
        resolve();
      });
    });
  }

  /** What another member asks for, in this pod. */
  #serve(remote: TLSSocket): void {
    const service = services.find(name => name === remote.alpnProtocol);
    if (service === undefined) remote.destroy();
    else this.#join(remote, connect(placed(this.#options.plan.targets[service])));
  }

  /** What a program of this pod wants of another member. */
  #carry(socket: Socket, member: number, service: Wish): void {
    const remote = connectByTls({
      ...this.#options.placeOf(member, service),
      ...this.#credentials,
      minVersion: tlsVersion,
      ...(service !== 'port' && { ALPNProtocols: [service] }),
    });
    const late = setTimeout(() => remote.destroy(new Error('it did not answer in time')), patience);
    remote.once('secureConnect', () => clearTimeout(late));
    remote.once('close', () => clearTimeout(late));
    remote.once('error', error =>
      this.#options.log.debug({ err: error, member, service }, 'cannot reach a member'),
    );
    this.#join(socket, remote);
  }

  /** Each gets what the other sends, at the pace that it takes it; where one ends, both do. */
  #join(one: Socket, other: Socket): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      // Whoever hears nothing closes its end itself: RAFT and OVSDB ask each other for signs of life.
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}

function placed(place: Place) {
  return place.kind === 'unix' ? { path: place.path } : { host: place.host, port: place.port };
}
