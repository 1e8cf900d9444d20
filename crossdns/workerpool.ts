import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../process/log.ts';
import { whenAborted } from './abort.ts';
import type { Catalog } from './catalog.ts';
import type { ServiceRecord } from './records.ts';
import { QueryStats } from './stats.ts';
import { type FromWorker, type ToWorker, workerVariable } from './workermessages.ts';

/** Objects that are told in one message. */
const chunk = 500;
/** A worker that does not report in this time is left out of the figures, in milliseconds. */
const reportLimit = 1_000;
/** A worker that ended is started again after this time, in milliseconds. */
const restartAfter = 500;

interface Worker {
  readonly child: ChildProcess;
  listening: boolean;
}

/** Several processes that answer on the same addresses, from the catalog of this one. */
export class WorkerPool {
  readonly #count: number;
  readonly #catalog: Catalog;
  readonly #log: Logger;
  readonly #secrets: readonly string[];
  readonly #workers = new Set<Worker>();
  readonly #stop = new AbortController();
  readonly #reports = new Map<number, (report: Extract<FromWorker, { kind: 'report' }>) => void>();
  #nextReport = 0;
  #onListening: () => void = () => {};
  #ready = false;

  /** @param secrets of cookies; one is made up where none is given, so that all have the same. */
  constructor(count: number, catalog: Catalog, secrets: readonly Uint8Array[], log: Logger) {
    this.#count = count;
    this.#catalog = catalog;
    this.#log = log;
    const all = secrets.length > 0 ? secrets : [randomBytes(16)];
    this.#secrets = all.map(secret => Buffer.from(secret).toString('hex'));
    catalog.subscribe((_, key, record) => this.#tellAll({ kind: 'objects', objects: [[key, record]] }));
  }

  /** Whether all listen. */
  get listening(): boolean {
    return this.#workers.size === this.#count && [...this.#workers].every(worker => worker.listening);
  }

  /** Resolves when all listen. */
  untilListening(): Promise<void> {
    return new Promise(resolve => {
      this.#onListening = () => this.listening && resolve();
    });
  }

  /** Lets the workers answer. */
  ready(): void {
    this.#ready = true;
    this.#tellAll({ kind: 'ready' });
  }

  /**
   * Starts the workers and keeps them running until {@link close}.
   *
   * @throws Error where one ends before it listened for the first time.
   */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#count }, () => this.#keepOne()));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(
      [...this.#workers].map(async ({ child }) => {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }),
    );
  }

  /** The counts of all workers together, with connections and what is kept for them. */
  async report(zones: number): Promise<{ stats: QueryStats; connections: number; kept: number }> {
    const sum = { stats: new QueryStats(zones), connections: 0, kept: 0 };
    const reports = await Promise.all([...this.#workers].map(worker => this.#reportOf(worker)));
    for (const report of reports) {
      if (report === undefined) continue;
      sum.stats.add(report.cells);
      sum.connections += report.connections;
      sum.kept += report.kept;
    }
    return sum;
  }

  async #keepOne(): Promise<void> {
    for (let lives = 0; !this.#stop.signal.aborted; lives++) {
      const worker = this.#start();
      const [code, signal] = (await once(worker.child, 'exit')) as [number | null, string | null];
      this.#workers.delete(worker);
      if (this.#stop.signal.aborted) return;
      if (lives === 0 && !worker.listening)
        throw new Error(`Cannot start a worker: it ended with ${code ?? signal}`);
      this.#log.error({ pid: worker.child.pid, code, signal }, 'worker ended, another is started');
      await Promise.race([sleep(restartAfter), whenAborted(this.#stop.signal)]);
    }
  }

  #start(): Worker {
    const child = spawn(process.execPath, [...process.execArgv, ...workerArguments(process.argv.slice(1))], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, [workerVariable]: '1', NAUTI_HTTP_LISTEN: '' },
      serialization: 'advanced',
    });
    const worker: Worker = { child, listening: false };
    this.#workers.add(worker);
    child.on('message', message => this.#receive(worker, message as FromWorker));
    child.on('error', error => this.#log.error({ err: error }, 'worker failed'));
    void this.#tell(worker, { kind: 'begin', secrets: this.#secrets });
    void this.#fill(worker);
    return worker;
  }

  #receive(worker: Worker, message: FromWorker): void {
    if (message.kind === 'report') {
      this.#reports.get(message.id)?.(message);
    } else {
      worker.listening = true;
      this.#onListening();
    }
  }

  /**
   * Tells a worker everything, and only then to listen: with the port it gets its share of the queries. What changes
   * meanwhile is told in between, and each object is told as it is then.
   */
  async #fill(worker: Worker): Promise<void> {
    let objects: [string, ServiceRecord][] = [];
    const services = [...this.#catalog.services()];
    for (const service of services) {
      objects.push(...service.imports, ...service.slices);
      if (objects.length < chunk) continue;
      await this.#tell(worker, { kind: 'objects', objects });
      objects = [];
    }
    await this.#tell(worker, { kind: 'objects', objects });
    if (this.#ready) await this.#tell(worker, { kind: 'ready' });
    await this.#tell(worker, { kind: 'listen' });
  }

  #tellAll(message: ToWorker): void {
    for (const worker of this.#workers) void this.#tell(worker, message);
  }

  /** Resolves when the message is on its way; one that does not arrive is a worker that has ended. */
  #tell(worker: Worker, message: ToWorker): Promise<void> {
    return new Promise(resolve => {
      if (!worker.child.connected) resolve();
      else worker.child.send(message, () => resolve());
    });
  }

  async #reportOf(worker: Worker): Promise<Extract<FromWorker, { kind: 'report' }> | undefined> {
    const id = this.#nextReport++;
    const arrived = new Promise<Extract<FromWorker, { kind: 'report' }>>(resolve =>
      this.#reports.set(id, resolve),
    );
    void this.#tell(worker, { kind: 'report', id });
    try {
      return await Promise.race([arrived, sleep(reportLimit, undefined, { ref: false })]);
    } finally {
      this.#reports.delete(id);
    }
  }
}

/** Our own command line, without what only one process can have. */
function workerArguments(args: readonly string[]): string[] {
  const own: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (arg === '--http-listen') i++;
    else if (!arg.startsWith('--http-listen=')) own.push(arg);
  }
  // The parent waits before it tells them to stop.
  return [...own, '--lameduck', '0'];
}
