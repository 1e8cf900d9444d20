import { readFile } from 'node:fs/promises';
import type { Logger } from '../process/log.ts';
import type { OptionValues } from '../process/options.ts';
import type { SocketAddress } from '../process/parsers.ts';
import type { Catalog } from './catalog.ts';
import { CookieBaker, parseSecrets } from './cookie.ts';
import type { DnsListener } from './listener.ts';
import type { LiveSettings } from './livesettings.ts';
import type { options } from './options.ts';
import { QueryLog } from './querylog.ts';
import { RateLimiter } from './ratelimit.ts';
import { Responder } from './responder.ts';
import { loadSyscalls, type Syscalls } from './syscalls.ts';
import { defaultTcpLimits, listenTcp, type TcpLimits, type TcpListener } from './tcp.ts';
import { listenUdp } from './udp.ts';
import { openZones, zoneNames } from './zones.ts';

/** What answering needs of the options. */
export type AnsweringSettings = OptionValues<typeof options>;

/** The part of a process that answers: sockets, zones and limits over a catalog that others fill. */
export class Answering {
  readonly responder: Responder;
  readonly #settings: AnsweringSettings;
  readonly #log: Logger;
  readonly #limiter: RateLimiter;
  readonly #tcpLimits: TcpLimits = { ...defaultTcpLimits };
  readonly #listeners: DnsListener[] = [];
  readonly #tcp: TcpListener[] = [];

  /** @param secrets of cookies; one is made up where none is given. */
  constructor(settings: AnsweringSettings, catalog: Catalog, secrets: readonly Uint8Array[], log: Logger) {
    this.#settings = settings;
    this.#log = log;
    this.#limiter = new RateLimiter({ perSecond: settings.rateLimit, exempt: settings.rateLimitExempt });
    this.responder = new Responder(openZones(settings, catalog), {
      udpSize: settings.udpSize,
      nsid: settings.nsid ?? '',
      cookies: new CookieBaker(secrets),
      limiter: this.#limiter,
      tcpIdleMs: settings.tcpIdle,
      queryLog: new QueryLog(log),
    });
    this.change(settings);
  }

  get connections(): number {
    return this.#tcp.reduce((sum, tcp) => sum + tcp.connections, 0);
  }

  /** Octets that are kept for TCP clients. */
  get kept(): number {
    return this.#tcp.reduce((sum, tcp) => sum + tcp.kept, 0);
  }

  /** Where it listens, in the order of the options. */
  get addresses(): readonly DnsListener['address'][] {
    return this.#listeners.map(listener => listener.address);
  }

  /** Takes other limits, for the next query on. */
  change(settings: LiveSettings): void {
    this.#limiter.change({ perSecond: settings.rateLimit, exempt: settings.rateLimitExempt });
    this.#tcpLimits.maxConnections = settings.tcpConnections;
    this.#tcpLimits.maxPerClient = settings.tcpConnectionsPerClient;
    this.#tcpLimits.idleMs = settings.tcpIdle;
    this.responder.queryLog.sample = settings.queryLog;
  }

  /** @throws the socket's error where an address cannot be had; then nothing listens. */
  async listen(reusePort: boolean): Promise<void> {
    const syscalls = findSyscalls(this.#settings.udpIo, this.#log);
    try {
      for (const address of this.#settings.listen) await this.#listenOn(address, syscalls, reusePort);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #listenOn(address: SocketAddress, syscalls: Syscalls | undefined, reusePort: boolean): Promise<void> {
    const { responder } = this;
    const log = this.#log;
    const limits = this.#tcpLimits;
    const open = async (attempts: number): Promise<[DnsListener, TcpListener]> => {
      const udp = await listenUdp(address, { responder, log, syscalls, reusePort });
      try {
        return [udp, await listenTcp(udp.address, { responder, limits, log, reusePort })];
      } catch (error) {
        await udp.close();
        // A port that the kernel has chosen for UDP may be another process's for TCP.
        const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
        if (address.port !== 0 || !isTaken || attempts === 0) throw error;
        return open(attempts - 1);
      }
    };
    const [udp, tcp] = await open(10);
    this.#listeners.push(udp, tcp);
    this.#tcp.push(tcp);
    log.info(
      { address: udp.address, zones: zoneNames(this.#settings), batches: syscalls !== undefined },
      'listening',
    );
  }

  /** Answers what was received, then ends. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.map(listener => listener.close()));
  }
}

/** The secrets of cookies that a file has; none without a file. @throws Error where it cannot be read. */
export async function readSecrets(file: string | undefined): Promise<readonly Uint8Array[]> {
  return file === undefined ? [] : parseSecrets(await readFile(file, 'utf8'));
}

function findSyscalls(way: 'batch' | 'node', log: Logger): Syscalls | undefined {
  if (way === 'node') return undefined;
  const found = loadSyscalls();
  if (!('missing' in found)) return found;
  log.info({ reason: found.missing }, 'no batches of datagrams, each goes through Node');
  return undefined;
}
