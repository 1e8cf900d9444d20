import type { Registry } from 'prom-client';
import type { Logger } from '../process/log.ts';
import type { BackoffOptions } from './backoff.ts';
import { KubeError } from './error.ts';
import { type KubeMetrics, kubeMetrics } from './metrics.ts';
import { WorkQueue } from './queue.ts';
import { SliceOfTime } from './slice-of-time.ts';

/** Trying again would not help: the key is left alone until something enqueues it. */
export class TerminalError extends Error {
  override readonly name: string = 'TerminalError';
}

/** Look at the key again after so long, whatever happens. */
export interface Requeue {
  /** Milliseconds. */
  readonly requeueAfter: number;
}

// biome-ignore lint/suspicious/noConfusingVoidType: an async function that ends without a return must fit.
export type Reconcile = (key: string, signal: AbortSignal) => Promise<void | Requeue>;

export interface ControllerOptions {
  /** Names it in logs and metrics. */
  readonly name: string;
  /**
   * Makes the world of one key as it should be, from everything that is known now, not from what has changed.
   * Never runs twice at once for a key.
   */
  readonly reconcile: Reconcile;
  /** Keys worked on at once, 1 where it is not given. */
  readonly concurrency?: number | undefined;
  readonly log: Logger;
  readonly metrics?: Registry | undefined;
  readonly backoff?: BackoffOptions | undefined;
}

type Outcome = 'done' | 'requeue' | 'error' | 'terminal';

/**
 * Runs a reconcile function for keys, with three outcomes: it throws → again after a growing delay (or what the API
 * server asked for); it gives `requeueAfter` → again then; else done. A {@link TerminalError} is logged and not tried
 * again.
 *
 * Keys may be enqueued at any time: what comes while it does not run waits for the next run.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #log: Logger;
  readonly #metrics: KubeMetrics | undefined;
  #running = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#queue = new WorkQueue(options.backoff ? { backoff: options.backoff } : {});
    this.#log = options.log.child({ controller: options.name });
    this.#metrics = options.metrics && kubeMetrics(options.metrics);
  }

  /** Keys that wait for a worker. */
  get depth(): number {
    return this.#queue.depth;
  }

  enqueue(key: string): void {
    this.#queue.add(key);
    this.#report();
  }

  enqueueAfter(key: string, ms: number): void {
    this.#queue.addAfter(key, ms);
    this.#report();
  }

  /**
   * Works until the signal is aborted, then waits for what is under way and resolves.
   * A key that was interrupted, or still waits, is kept for the next run.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { name, concurrency = 1 } = this.#options;
    if (this.#running) throw new Error(`Cannot run the controller ${name} as it must not run already`);
    this.#running = true;
    this.#queue.open();
    try {
      await Promise.all(Array.from({ length: concurrency }, () => this.#work(signal)));
    } finally {
      this.#queue.close();
      this.#running = false;
      this.#report();
    }
  }

  async #work(signal: AbortSignal): Promise<void> {
    const slice = new SliceOfTime();
    while (!signal.aborted) {
      let key: string;
      try {
        key = await this.#queue.take(signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      this.#report();
      await this.#reconcile(key, signal);
      // Reconciles that never wait would keep the event loop to themselves.
      if (slice.over()) await slice.giveWay();
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    let outcome: Outcome = 'done';
    try {
      const result = await this.#options.reconcile(key, signal);
      if (result !== undefined) {
        outcome = 'requeue';
        this.#queue.addAfter(key, checkedDelay(result.requeueAfter));
      }
      this.#queue.forget(key);
    } catch (error) {
      outcome = this.#failed(key, error, signal);
    } finally {
      this.#queue.done(key);
      const seconds = (performance.now() - startedAt) / 1000;
      this.#metrics?.reconcileSeconds.observe({ controller: this.#options.name, outcome }, seconds);
      this.#report();
    }
  }

  #failed(key: string, error: unknown, signal: AbortSignal): Outcome {
    if (error instanceof TerminalError) {
      this.#queue.forget(key);
      this.#log.error({ err: error, key }, 'reconcile failed for good');
      return 'terminal';
    }
    const floorMs = error instanceof KubeError ? error.retryAfterMs : undefined;
    this.#queue.retry(key, floorMs);
    // An interrupted reconcile is no failure: it goes on in the next run.
    if (signal.aborted) this.#queue.forget(key);
    else
      this.#log.warn(
        { err: error, key, failures: this.#queue.failures(key) },
        'reconcile failed, trying again',
      );
    return 'error';
  }

  #report(): void {
    this.#metrics?.queueDepth.set({ controller: this.#options.name }, this.#queue.depth);
  }
}

/** A delay of 0 would make a hot loop of a mistake. */
function checkedDelay(ms: number): number {
  if (ms > 0) return ms;
  throw new TypeError(`Cannot requeue as requeueAfter must be above 0 ms: current value is ${ms}`);
}
