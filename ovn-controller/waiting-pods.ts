import type { Refusal } from './refusal.ts';

/** While addresses are missing, pods that wait are looked at no oftener than this, in milliseconds. */
export const waitingMs = 1_000;

/** Pods without an address, why, and when all of them are looked at again. */
export class WaitingPods {
  readonly #refusals = new Map<string, Refusal>();
  readonly #lookAt: (key: string) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(lookAt: (key: string) => void) {
    this.#lookAt = lookAt;
  }

  get size(): number {
    return this.#refusals.size;
  }

  get(key: string): Refusal | undefined {
    return this.#refusals.get(key);
  }

  /** @returns whether this is news. */
  add(key: string, refusal: Refusal): boolean {
    const before = this.#refusals.get(key);
    this.#refusals.set(key, refusal);
    return before?.reason !== refusal.reason;
  }

  delete(key: string): void {
    this.#refusals.delete(key);
  }

  /** An address, or the gateway's, came back: whoever waits may have it. */
  wake(): void {
    if (this.#refusals.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        for (const key of this.#refusals.keys()) this.#lookAt(key);
      },
      this.#isGatewayWaiting() ? 0 : waitingMs,
    );
  }

  /** Forgets all; no timer is left. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#refusals.clear();
  }

  #isGatewayWaiting(): boolean {
    for (const { reason } of this.#refusals.values()) if (reason === 'GatewayTaken') return true;
    return false;
  }
}
