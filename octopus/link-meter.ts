/** How a tunnel does, from probes and their answers. Pure; times are milliseconds of one clock. */

export type LinkState = 'Connecting' | 'Connected' | 'Failed';

export interface LinkFigures {
  readonly state: LinkState;
  /** Milliseconds; absent before the first answer. */
  readonly rtt?: { readonly average: number; readonly min: number; readonly max: number };
  /** Part of the last probes that no answer came to, 0 to 1. */
  readonly loss: number;
  /** Answers since the last loss. */
  readonly goodInRow: number;
  /** Losses since the last answer. */
  readonly lostInRow: number;
  /** Clock of the last answer. */
  readonly answeredAt?: number;
}

/** A link is down after so many probes without an answer. */
export const lostProbesUntilDown = 5;
/** Weight of a new round trip in the average (RFC 6298 section 2 uses the same). */
const weight = 1 / 8;
/** Probes that loss, least and longest round trip are taken of. */
const window = 100;

/** Counts one link. A probe is lost when the next one is sent before its answer came; one that comes later still tells of life. */
export class LinkMeter {
  #state: LinkState = 'Connecting';
  #waiting: { seq: number; sentAt: number } | undefined;
  /** Of the last probes: the round trip, or undefined where it was lost. */
  readonly #last: (number | undefined)[] = [];
  #average: number | undefined;
  #lostInRow = 0;
  #goodInRow = 0;
  #answeredAt: number | undefined;

  /** A probe goes out. The former one is lost where it waits still. */
  sent(seq: number, now: number): void {
    if (this.#waiting !== undefined) {
      this.#note(undefined);
      this.#goodInRow = 0;
      this.#lostInRow++;
      if (this.#lostInRow >= lostProbesUntilDown) this.#state = 'Failed';
    }
    this.#waiting = { seq, sentAt: now };
  }

  /** @param sentAt what the probe carried: the clock when it went out. */
  answered(seq: number, sentAt: number, now: number): void {
    const isInTime = this.#waiting?.seq === seq && this.#waiting.sentAt === sentAt;
    const isLate = !isInTime && this.#waiting !== undefined && seq < this.#waiting.seq;
    if (!isInTime && !isLate) return;
    this.#lostInRow = 0;
    this.#answeredAt = now;
    this.#state = 'Connected';
    if (!isInTime) return;
    this.#waiting = undefined;
    this.#goodInRow++;
    const rtt = Math.max(0, now - sentAt);
    this.#average = this.#average === undefined ? rtt : this.#average + weight * (rtt - this.#average);
    this.#note(rtt);
  }

  get figures(): LinkFigures {
    const good = this.#last.filter(rtt => rtt !== undefined);
    return {
      state: this.#state,
      loss: this.#last.length === 0 ? 0 : (this.#last.length - good.length) / this.#last.length,
      goodInRow: this.#goodInRow,
      lostInRow: this.#lostInRow,
      ...(this.#average !== undefined &&
        good.length > 0 && {
          rtt: { average: this.#average, min: Math.min(...good), max: Math.max(...good) },
        }),
      ...(this.#answeredAt !== undefined && { answeredAt: this.#answeredAt }),
    };
  }

  #note(rtt: number | undefined): void {
    this.#last.push(rtt);
    if (this.#last.length > window) this.#last.shift();
  }
}
