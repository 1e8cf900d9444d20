import { type BackoffOptions, backoffDelay } from './backoff.ts';

/** setTimeout takes no more; a longer wait would fire at once. */
const maxTimerMs = 2 ** 31 - 1;
/** How long a failing key that is added waits at most. */
const failingMs = 1_000;

/**
 * Keys that want work.
 *
 * A key is held at most once as waiting and once as delayed, whatever is added: memory is bounded by the number of keys.
 * A key that is taken is not given out again until `done`; added meanwhile, it comes again afterwards.
 */
export class WorkQueue {
  readonly #backoff: BackoffOptions;
  /** In order of arrival. */
  readonly #ready = new Set<string>();
  readonly #active = new Set<string>();
  /** Added while active. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { readonly dueAt: number; readonly timer: NodeJS.Timeout }>();
  readonly #failures = new Map<string, number>();
  readonly #takers = new Set<() => void>();
  #open = false;

  constructor({ backoff = { minMs: 50, maxMs: 60_000 } }: { backoff?: BackoffOptions } = {}) {
    this.#backoff = backoff;
  }

  /** Keys that could be taken now or after those that are active. */
  get depth(): number {
    return this.#ready.size + this.#again.size;
  }

  get active(): number {
    return this.#active.size;
  }

  get delayed(): number {
    return this.#delayed.size;
  }

  /** Failures in a row of a key. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /**
   * Wanted now: a delay that the key has is over. Only a key that is failing waits up to a second, or what a write of
   * its own reconcile brings back would make it loop hot.
   */
  add(key: string): void {
    const delay = this.#delayed.get(key);
    if (delay !== undefined && this.#failures.has(key)) this.#delay(key, failingMs);
    else this.#arrive(key);
  }

  #arrive(key: string): void {
    this.#undelay(key);
    if (this.#active.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#ready.add(key);
    this.#wakeOne();
  }

  /** Wanted in `ms`, or earlier where something asked for that before. While the queue is closed: wanted now. */
  addAfter(key: string, ms: number): void {
    if (!this.#open || !(ms > 0)) this.#arrive(key);
    else this.#delay(key, ms);
  }

  #delay(key: string, ms: number): void {
    const dueAt = performance.now() + ms;
    const present = this.#delayed.get(key);
    if (this.#ready.has(key) || (present !== undefined && present.dueAt <= dueAt)) return;
    if (present !== undefined) clearTimeout(present.timer);
    const timer = setTimeout(() => this.#arrive(key), Math.min(ms, maxTimerMs));
    this.#delayed.set(key, { dueAt, timer });
  }

  /** Wanted again after a failure: the delay doubles with each one until `forget`. @param floorMs waits at least so long. */
  retry(key: string, floorMs = 0): void {
    const failures = this.failures(key);
    this.#failures.set(key, failures + 1);
    this.addAfter(key, Math.max(floorMs, backoffDelay(failures, this.#backoff)));
  }

  /** The key has succeeded: its failures do not count any more. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** From here on delays are kept. */
  open(): void {
    this.#open = true;
  }

  /** Ends all delays: what they held is wanted now, by whoever opens the queue next. No timer is left. */
  close(): void {
    this.#open = false;
    for (const key of [...this.#delayed.keys()]) this.#arrive(key);
  }

  /**
   * The next key; whoever takes it calls {@link done}.
   *
   * @throws the reason of the signal.
   */
  async take(signal: AbortSignal): Promise<string> {
    for (;;) {
      if (signal.aborted) {
        if (this.#ready.size > 0) this.#wakeOne(); // The arrival that woke this taker is another's.
        throw signal.reason;
      }
      const key = this.takeReady();
      if (key !== undefined) return key;
      await this.#arrival(signal);
    }
  }

  /** As {@link take}, but undefined where every key is active, delayed or unwanted: for workers that take several. */
  takeReady(): string | undefined {
    for (const key of this.#ready) {
      this.#ready.delete(key);
      this.#active.add(key);
      return key;
    }
    return undefined;
  }

  /** The work on a key is over. */
  done(key: string): void {
    this.#active.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  #undelay(key: string): void {
    const present = this.#delayed.get(key);
    if (present === undefined) return;
    clearTimeout(present.timer);
    this.#delayed.delete(key);
  }

  #wakeOne(): void {
    for (const wake of this.#takers) {
      this.#takers.delete(wake);
      wake();
      return;
    }
  }

  /** Resolves when a key may be there, or the signal is aborted. */
  #arrival(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        this.#takers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#takers.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
