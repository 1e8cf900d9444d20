import { abortable } from './abortable.ts';
import type { Session } from './session.ts';

/**
 * The names that locks may have (RFC 7047 section 3.1, `<id>`).
 *
 * @throws RangeError
 */
export function checkLockName(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name;
  throw new RangeError(
    `Cannot use the lock as its name must be letters, digits and "_", not beginning with a digit: current value is ${JSON.stringify(name)}`,
  );
}

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
    this.name = checkLockName(name);
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
    if (this.#session === undefined) {
      this.#steal = true;
      return;
    }
    // A client may ask only once; the server does both in this order.
    const unlocked = this.#session.request('unlock', [this.name]);
    await Promise.all([unlocked, this.#ask(this.#session, 'steal')]);
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
