import { abortable } from './abortable.ts';
import type { Session } from './session.ts';

/**
 * A lock of the database server (RFC 7047 section 4.1.8): held by one connection of all. It is asked for again on each
 * new connection. In a cluster each server has locks of its own: use them with `leaderOnly`, and have transactions
 * `assert` them.
 */
export class Lock {
  readonly name: string;
  readonly #onChange: (held: boolean) => void;
  #steal: boolean;
  #session: Session | undefined;
  #held = false;
  #acquired = Promise.withResolvers<void>();

  constructor(name: string, steal: boolean, onChange: (held: boolean) => void) {
    this.name = name;
    this.#steal = steal;
    this.#onChange = onChange;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** Resolves when the lock is held; it may be lost again. */
  async acquired(signal?: AbortSignal): Promise<void> {
    while (!this.#held) await abortable(this.#acquired.promise, signal);
  }

  /** Takes it from whoever holds it; on later connections the client queues like everybody. */
  async steal(): Promise<void> {
    if (this.#session === undefined) this.#steal = true;
    else await this.#ask(this.#session, 'steal');
  }

  /** For the client: a new connection. */
  async start(session: Session): Promise<void> {
    this.#session = session;
    const method = this.#steal ? 'steal' : 'lock';
    this.#steal = false;
    await this.#ask(session, method);
  }

  /** For the client: the connection ended. */
  stop(): void {
    this.#session = undefined;
    this.#set(false);
  }

  /** For the client: gives it back. */
  async release(): Promise<void> {
    const session = this.#session;
    this.stop();
    if (session?.isOpen) await session.request('unlock', [this.name]);
  }

  /** For the client: the server says who holds it now. */
  notice(method: 'locked' | 'stolen'): void {
    this.#set(method === 'locked');
  }

  async #ask(session: Session, method: 'lock' | 'steal'): Promise<void> {
    await session.request(method, [this.name], {
      apply: result => {
        const { locked } = (result ?? {}) as { locked?: unknown };
        if (locked === true) this.#set(true);
      },
    });
  }

  #set(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.#acquired.resolve();
    else this.#acquired = Promise.withResolvers<void>();
    this.#onChange(held);
  }
}
