/**
 * A leading signal that knows its own end.
 *
 * A timer alone would not do: a process that was stopped for a while (SIGSTOP, a paused machine, a blocked event loop)
 * runs the answers that wait on its sockets before its timers, and what they cause could be written although another
 * leads by now. So every write of the client that carries the signal compares the clock first.
 */
export class Term {
  readonly #controller = new AbortController();
  readonly #renewDeadlineMs: number;
  #timer: NodeJS.Timeout | undefined;
  #endsAt: number;

  /** @param renewedAt performance.now() from before the request that took the lease was sent. */
  constructor(renewedAt: number, renewDeadlineMs: number) {
    this.#renewDeadlineMs = renewDeadlineMs;
    this.#endsAt = 0;
    terms.set(this.signal, this);
    this.renewed(renewedAt);
    this.check();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The lease was renewed by a request that was sent at this time. */
  renewed(at: number): void {
    if (this.signal.aborted) return;
    this.#endsAt = at + this.#renewDeadlineMs;
    clearTimeout(this.#timer);
    // A request that took longer than the deadline came too late: the term is over.
    const left = Math.max(0, this.#endsAt - performance.now());
    this.#timer = setTimeout(() => this.end(overdue), left);
  }

  /** Ends the term where its time is over. */
  check(): void {
    if (performance.now() >= this.#endsAt) this.end(overdue);
  }

  end(why: string): void {
    clearTimeout(this.#timer);
    if (!this.signal.aborted) this.#controller.abort(new TermEnded(why));
  }
}

const overdue = 'the lease could not be renewed in time';

/** Why a leading signal was aborted. */
export class TermEnded extends Error {
  override readonly name = 'TermEnded';

  constructor(why: string) {
    super(`Cannot write as this process must lead: ${why}`);
  }
}

const terms = new WeakMap<AbortSignal, Term>();

/** @throws TermEnded where `signal` is that of a term which is over. */
export function ensureTerm(signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  terms.get(signal)?.check();
  signal.throwIfAborted();
}
