import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { until } from '../../../lab/until.ts';

/** The password of all servers here. */
export const secret = 'not-a-secret';

/** A real redis-server on loopback. */
export class RedisServer {
  readonly port: number;
  readonly #directory: string;
  #ca: Buffer | undefined;
  #child: ChildProcess | undefined;

  constructor(port: number, directory: string) {
    this.port = port;
    this.#directory = directory;
  }

  async start(...args: string[]): Promise<void> {
    await this.#start(['--port', String(this.port), ...args]);
  }

  /** Without any port but that of TLS. */
  async startTls(files: { ca: string; certificate: string; key: string }, ca: Buffer): Promise<void> {
    this.#ca = ca;
    await this.#start([
      ...['--port', '0', '--tls-port', String(this.port), '--tls-auth-clients', 'no'],
      ...['--tls-ca-cert-file', files.ca, '--tls-cert-file', files.certificate, '--tls-key-file', files.key],
    ]);
  }

  async #start(args: readonly string[]): Promise<void> {
    this.#child = spawn(
      'redis-server',
      [
        ...['--bind', '127.0.0.1', '--dir', this.#directory, '--save', '', '--requirepass', secret],
        ...['--masterauth', secret, '--dbfilename', `${this.port}.rdb`, ...args],
      ],
      { stdio: 'ignore' },
    );
    await eventually(
      `redis-server at ${this.port}`,
      async () => (await this.use(redis => redis.ping())) === 'PONG',
    );
  }

  async use<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis({
      host: '127.0.0.1',
      port: this.port,
      password: secret,
      retryStrategy: () => null,
      lazyConnect: true,
      ...(this.#ca === undefined ? {} : { tls: { ca: this.#ca } }),
    });
    redis.on('error', () => {});
    try {
      await redis.connect();
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  }

  /** How often a command was called by anybody. */
  async calls(command: string): Promise<number> {
    const text = await this.use(redis => redis.info('commandstats'));
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(text)?.[1] ?? 0);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

/** Waits until it is true; what is thrown counts as not yet. */
export async function eventually(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  let last: unknown;
  const look = async () => {
    try {
      return await check();
    } catch (error) {
      last = error;
      return false;
    }
  };
  await until(look, { what, timeout: 60_000, interval: 20, detail: () => String(last ?? '') });
}
