import { Registry } from 'prom-client';
import { createLogger, type Logger, type LogLevel, logLevels } from './log.ts';
import { type OptionSet, type OptionValues, UsageError } from './options.ts';
import { oneOf, socketAddress } from './parsers.ts';
import { Probes, serveProbes } from './probes.ts';

/** What a component gets from the process that it runs in. */
export interface ProcessContext {
  readonly log: Logger;
  /** Aborted by SIGTERM or SIGINT: finish what was begun, then return. */
  readonly signal: AbortSignal;
  readonly probes: Probes;
  /** Where they are served; undefined where they are not. */
  readonly probesPort: number | undefined;
  readonly metrics: Registry;
}

/** One long-running part of the product: `nauti <name>`. */
export interface Component<S extends OptionSet = OptionSet> {
  readonly name: string;
  /** One line for the list of components. */
  readonly summary: string;
  /** What stands below the options in the help text: what it needs, what it does, an example. */
  readonly help: string;
  readonly options: S;
  /** Whether it ends by itself when its work is done; else that is a failure. */
  readonly ends?: boolean;
  /** Runs until `context.signal` is aborted. A rejection ends the process with 1. */
  run(options: OptionValues<S>, context: ProcessContext): Promise<void>;
}

/** Keeps the types of a component's options together with the function that takes their values. */
export function defineComponent<const S extends OptionSet>(component: Component<S>): Component<S> {
  return component;
}

/** Options that every component has. */
export const processOptions = {
  logLevel: {
    flag: 'log-level',
    placeholder: 'LEVEL',
    description: `how much is logged: ${logLevels.join(', ')}`,
    parser: oneOf(...logLevels),
    default: 'info',
  },
  httpListen: {
    flag: 'http-listen',
    placeholder: 'ADDRESS:PORT',
    description: 'where /healthz, /readyz and /metrics are served; not at all where it is not given',
    parser: socketAddress,
  },
} as const satisfies OptionSet;

/** A draining process has this long before it is ended, in milliseconds. */
const drainLimit = 5_000;

/**
 * Runs a component as a process: logger, probes, signals, exit code.
 *
 * @returns the exit code: 0 after a signal or when a component that `ends` has ended, 1 where it failed.
 * @throws UsageError where the options contradict each other.
 */
export async function runComponent<S extends OptionSet>(
  component: Component<S>,
  options: OptionValues<S>,
  process_: OptionValues<typeof processOptions>,
): Promise<number> {
  const log = createLogger(component.name, process_.logLevel as LogLevel);
  const stop = new AbortController();
  const [checks, metrics] = [new Probes(), new Registry()];
  await registerRuntimeMetrics(metrics);
  stopOnSignals(stop, log);
  // Probes first: a process that waits for its caches must be seen to live.
  const served = process_.httpListen && (await serveProbes(process_.httpListen, checks, metrics));
  const context: ProcessContext = {
    log,
    signal: stop.signal,
    probes: checks,
    probesPort: served?.port,
    metrics,
  };
  try {
    await component.run(options, context);
    if (!stop.signal.aborted && !component.ends) {
      log.fatal('component ended without being asked to');
      return 1;
    }
    log.info('stopped');
    return 0;
  } catch (error) {
    // What the component has against a combination of options is said like what is wrong with one of them.
    if (error instanceof UsageError) throw error;
    log.fatal({ err: error }, 'component failed');
    return 1;
  } finally {
    await served?.close();
  }
}

async function registerRuntimeMetrics(registry: Registry): Promise<void> {
  const { collectDefaultMetrics } = await import('prom-client');
  collectDefaultMetrics({ register: registry });
}

function stopOnSignals(stop: AbortController, log: Logger): void {
  const onSignal = (name: string) => {
    log.info({ signal: name }, 'stopping');
    stop.abort(new Error(`received ${name}`));
    setTimeout(() => {
      log.error({ afterMs: drainLimit }, 'did not drain in time');
      process.exit(1);
    }, drainLimit).unref();
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);
}
