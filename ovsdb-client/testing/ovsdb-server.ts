/** Real ovsdb-servers: alone, or a cluster. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '../endpoint.ts';
import { eventually, freePort, RunningProgram, runProgram } from './programs.ts';

export interface ServerOptions {
  /** The `.ovsschema` file. */
  readonly schema: string;
  /** More arguments, for example `--remote=pssl:…`. */
  readonly args?: readonly string[];
  /** Of a cluster: the silence of a leader after which another is elected. 250 ms where it is not given: tests kill leaders. */
  readonly electionTimerMs?: number;
}

/** One ovsdb-server process over one database file; it can be ended and started again. */
export class OvsdbServer {
  readonly directory: string;
  readonly endpoint: Endpoint;
  readonly #args: readonly string[];
  readonly #name: string;
  #process: RunningProgram | undefined;

  /** @param database the file of the database, which exists. */
  constructor(directory: string, name: string, database: string, args: readonly string[]) {
    this.directory = directory;
    this.#name = name;
    this.endpoint = { kind: 'unix', path: join(directory, `${name}.sock`) };
    this.#args = [
      `--remote=punix:${this.endpoint.path}`,
      `--unixctl=${this.controlSocket}`,
      '--no-chdir',
      '-vconsole:warn',
      ...args,
      database,
    ];
  }

  get controlSocket(): string {
    return join(this.directory, `${this.#name}.ctl`);
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    const program = new RunningProgram('ovsdb-server', this.#args);
    this.#process = program;
    await eventually('ovsdb-server answering', async () => {
      if (!program.isRunning) throw new Error(`ovsdb-server ended: ${program.output}`);
      return this.control('version').then(
        () => true,
        () => false,
      );
    });
  }

  /** Ends it like a crash. */
  async kill(): Promise<void> {
    await this.#process?.stop();
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.signal(name);
  }

  /** ovs-appctl. */
  control(...words: readonly string[]): Promise<string> {
    return runProgram('ovs-appctl', '--timeout=30', '-t', this.controlSocket, ...words);
  }
}

/** A standalone server over a new database, in a directory of its own that goes with it. */
export async function startStandalone(options: ServerOptions): Promise<OvsdbServer & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'ovsdb-'));
  const database = join(directory, 'database');
  await runProgram('ovsdb-tool', 'create', database, options.schema);
  const server = new OvsdbServer(directory, 'server', database, options.args ?? []);
  await server.start();
  return Object.assign(server, {
    async [Symbol.asyncDispose]() {
      await server.kill();
      await rm(directory, { recursive: true, force: true });
    },
  });
}

/** A RAFT cluster on 127.0.0.1. */
export class Cluster implements AsyncDisposable {
  readonly servers: readonly OvsdbServer[];
  readonly #directory: string;
  readonly #database: string;

  constructor(directory: string, database: string, servers: readonly OvsdbServer[]) {
    this.#directory = directory;
    this.#database = database;
    this.servers = servers;
  }

  /** The server that says of itself that it leads. */
  leader(timeoutMs = 60_000): Promise<OvsdbServer> {
    return eventually(
      'a leader being elected',
      async () => {
        for (const server of this.servers) {
          const status = await server.control('cluster/status', this.#database).catch(() => '');
          if (/^Role: leader$/m.test(status)) return server;
        }
        return undefined;
      },
      timeoutMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map(server => server.kill()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** @param size how many servers. */
export async function startCluster(size: number, options: ServerOptions): Promise<Cluster> {
  const { schema, args = [], electionTimerMs = 250 } = options;
  const directory = await mkdtemp(join(tmpdir(), 'ovsdb-cluster-'));
  const name = (await runProgram('ovsdb-tool', 'schema-name', schema)).trim();
  const addresses = await Promise.all(
    Array.from({ length: size }, async () => `tcp:127.0.0.1:${await freePort()}`),
  );
  const servers: OvsdbServer[] = [];
  const cluster = new Cluster(directory, name, servers);
  for (const [index, address] of addresses.entries()) {
    const database = join(directory, `database-${index}`);
    const [first] = addresses;
    if (index === 0) {
      const timer = `--election-timer=${electionTimerMs}`;
      await runProgram('ovsdb-tool', timer, 'create-cluster', database, schema, address);
    } else await runProgram('ovsdb-tool', 'join-cluster', database, name, address, first ?? '');
    const server = new OvsdbServer(directory, `server-${index}`, database, args);
    servers.push(server);
    await server.start();
    await eventually('the server joining the cluster', async () => {
      const status = await server.control('cluster/status', name).catch(() => '');
      return /^Status: cluster member$/m.test(status);
    });
  }
  return cluster;
}
