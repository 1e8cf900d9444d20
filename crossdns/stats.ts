import type { Transport } from './outcome.ts';
import { recordType } from './protocol.ts';

/** Types that are counted by name; all others together. */
export const countedTypes = ['A', 'AAAA', 'SRV', 'TXT', 'SOA', 'NS', 'PTR', 'ANY', 'other'] as const;
const otherType = countedTypes.length - 1;
const rcodes = 32;

/** Upper bounds, in octets; the largest message ends the last. As CoreDNS has them. */
export const sizeBounds = [
  100, 200, 300, 400, 511, 1_023, 2_047, 4_095, 8_291, 16_000, 32_000, 48_000, 64_000, 65_535,
] as const;

/** Upper bounds, in seconds. */
export const durationBounds = [
  0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005,
  0.025, 0.1, 1,
] as const;

/**
 * Counts of queries and answers, in one array of numbers: counting costs a few additions, and the counts of several
 * processes add up cell by cell.
 */
export class QueryStats {
  readonly zones: number;
  readonly cells: Float64Array;
  readonly #at: ReturnType<typeof layout>;
  /** Index into {@link countedTypes} for each type below 256. */
  readonly #types = new Uint8Array(256).fill(otherType);

  /** @param zones how many zones are served. */
  constructor(zones: number) {
    this.zones = zones + 1;
    this.#at = layout(this.zones);
    this.cells = new Float64Array(this.#at.end);
    for (const [i, name] of countedTypes.entries()) {
      if (name !== 'other') this.#types[recordType[name]] = i;
    }
  }

  get layout(): ReturnType<typeof layout> {
    return this.#at;
  }

  /** Counts one message that was read as a query, and its answer; `answerSize` 0 means that none was given. */
  count(
    zone: number,
    transport: Transport,
    family: 4 | 6,
    type: number,
    rcode: number,
    querySize: number,
    answerSize: number,
  ): void {
    const { cells } = this;
    const at = this.#at;
    const protocol = transport === 'udp' ? 0 : 1;
    const kind = type < 256 ? (this.#types[type] as number) : otherType;
    const request = ((zone * 2 + protocol) * 2 + (family === 4 ? 0 : 1)) * countedTypes.length + kind;
    increase(cells, at.requests + request, 1);
    increase(cells, at.querySizes + protocol * at.sizeCells + bucketOf(sizeBounds, querySize), 1);
    increase(cells, at.querySizes + protocol * at.sizeCells + sizeBounds.length, querySize);
    if (answerSize === 0) {
      increase(cells, at.dropped, 1);
      return;
    }
    increase(cells, at.responses + zone * rcodes + rcode, 1);
    increase(cells, at.answerSizes + protocol * at.sizeCells + bucketOf(sizeBounds, answerSize), 1);
    increase(cells, at.answerSizes + protocol * at.sizeCells + sizeBounds.length, answerSize);
  }

  /** Counts the work of `queries` messages that took `milliseconds` together. */
  time(transport: Transport, queries: number, milliseconds: number): void {
    if (queries === 0) return;
    const at = this.#at.durations + (transport === 'udp' ? 0 : 1) * this.#at.durationCells;
    const seconds = milliseconds / 1_000;
    increase(this.cells, at + bucketOf(durationBounds, seconds / queries), queries);
    increase(this.cells, at + durationBounds.length + 1, seconds);
  }

  countTruncated(): void {
    increase(this.cells, this.#at.truncated, 1);
  }

  countRateLimited(): void {
    increase(this.cells, this.#at.rateLimited, 1);
  }

  /** @param verdict of the cookie: 0 absent, 1 bad, 2 good. */
  countCookie(verdict: number): void {
    increase(this.cells, this.#at.cookies + verdict, 1);
  }

  /** Adds the counts of another process with the same zones. */
  add(cells: Float64Array): void {
    for (let i = 0; i < cells.length; i++) increase(this.cells, i, cells[i] as number);
  }
}

function increase(cells: Float64Array, at: number, by: number): void {
  cells[at] = (cells[at] as number) + by;
}

function bucketOf(bounds: readonly number[], value: number): number {
  let i = 0;
  while (i < bounds.length && value > (bounds[i] as number)) i++;
  return i;
}

/** Where each kind of count begins. A histogram has a cell a bound, one beyond the last where needed, and its sum. */
function layout(zones: number) {
  let end = 0;
  const place = (size: number) => {
    const start = end;
    end += size;
    return start;
  };
  const sizeCells = sizeBounds.length + 1;
  const durationCells = durationBounds.length + 2;
  return {
    requests: place(zones * 2 * 2 * countedTypes.length),
    responses: place(zones * rcodes),
    querySizes: place(2 * sizeCells),
    answerSizes: place(2 * sizeCells),
    durations: place(2 * durationCells),
    truncated: place(1),
    rateLimited: place(1),
    cookies: place(3),
    dropped: place(1),
    sizeCells,
    durationCells,
    rcodes,
    end,
  };
}
