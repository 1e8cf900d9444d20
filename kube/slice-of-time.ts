import { setImmediate } from 'node:timers/promises';

/** Work that goes on longer than this lets sockets and timers have their turn, in milliseconds. */
const sliceMs = 8;

/** Long work that gives way: `if (slice.over()) await slice.giveWay()`. */
export class SliceOfTime {
  #startedAt = performance.now();

  /** The work begins anew, after a wait of its own. */
  restart(): void {
    this.#startedAt = performance.now();
  }

  over(): boolean {
    return performance.now() - this.#startedAt >= sliceMs;
  }

  /** Resolves after everything that waits in the event loop had its turn. */
  async giveWay(): Promise<void> {
    await setImmediate();
    this.restart();
  }
}
