import type { Registry } from 'prom-client';
import type { Logger } from '../process/log.ts';
import { whenAborted } from './abort.ts';
import { Answering, type AnsweringSettings } from './answering.ts';
import type { Catalog } from './catalog.ts';
import { followSettings } from './livesettings.ts';
import { registerGauge, registerQueryMetrics } from './metrics.ts';
import type { QueryStats } from './stats.ts';
import { WorkerPool } from './workerpool.ts';
import { zoneNames } from './zones.ts';

/** Whoever answers: this process, or several others. */
export interface Answerers {
  /** Resolves when all listen. @throws Error where an address cannot be had. */
  start(): Promise<void>;
  /** Runs until it is closed. @throws Error where it cannot go on. */
  run(signal: AbortSignal): Promise<void>;
  /** There is something to answer from. */
  ready(): void;
  readonly listening: boolean;
  report(): Promise<{ readonly stats: QueryStats; readonly connections: number; readonly kept: number }>;
  /** Answers what was received, then ends. */
  close(): Promise<void>;
}

export function openAnswerers(
  settings: AnsweringSettings,
  catalog: Catalog,
  secrets: readonly Uint8Array[],
  log: Logger,
): Answerers {
  return settings.workers > 1
    ? manyAnswerers(settings, catalog, secrets, log)
    : oneAnswerer(settings, catalog, secrets, log);
}

function oneAnswerer(...[settings, catalog, secrets, log]: Parameters<typeof openAnswerers>): Answerers {
  const answering = new Answering(settings, catalog, secrets, log);
  const { responder } = answering;
  let listening = false;
  return {
    async start() {
      await answering.listen(false);
      listening = true;
    },
    async run(signal) {
      if (settings.settings === undefined) return whenAborted(signal);
      const apply = answering.change.bind(answering);
      await followSettings(settings.settings, settings, { log, signal, apply });
    },
    ready() {
      responder.ready = true;
    },
    get listening() {
      return listening;
    },
    report: async () => ({
      stats: responder.stats,
      connections: answering.connections,
      kept: answering.kept,
    }),
    close: () => answering.close(),
  };
}

/** The workers follow the file of settings themselves. */
function manyAnswerers(...[settings, catalog, secrets, log]: Parameters<typeof openAnswerers>): Answerers {
  const pool = new WorkerPool(settings.workers, catalog, secrets, log);
  let running: Promise<void> | undefined;
  return {
    async start() {
      running = pool.run();
      await Promise.race([running, pool.untilListening()]);
    },
    run: async () => running,
    ready: () => pool.ready(),
    get listening() {
      return pool.listening;
    },
    report: () => pool.report(zoneNames(settings).length),
    close: () => pool.close(),
  };
}

/** Shows who answers to Prometheus. */
export function registerAnswerers(
  registry: Registry,
  settings: AnsweringSettings,
  answerers: Answerers,
): void {
  // One report serves all metrics of a scrape.
  let last: { at: number; report: ReturnType<Answerers['report']> } | undefined;
  const report = () => {
    const now = performance.now();
    if (last === undefined || now - last.at > 500) last = { at: now, report: answerers.report() };
    return last.report;
  };
  registerQueryMetrics(registry, zoneNames(settings), async () => (await report()).stats);
  const add = (name: string, help: string, read: () => Promise<number>) =>
    registerGauge(registry, name, help, read);
  add('nauti_dns_tcp_connections', 'Open TCP connections.', async () => (await report()).connections);
  add(
    'nauti_dns_tcp_kept_bytes',
    'Queries and answers kept for TCP clients.',
    async () => (await report()).kept,
  );
}
