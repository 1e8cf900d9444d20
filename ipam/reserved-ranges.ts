/** Numbers that are never given out: inclusive, disjoint ranges in order. */
export class ReservedRanges {
  readonly #ranges: readonly (readonly [bigint, bigint])[];
  /** How many numbers they hold together. */
  readonly count: bigint;

  /** @param ranges inclusive; they may overlap and stand in any order. */
  constructor(ranges: Iterable<readonly [bigint, bigint]>) {
    const merged: [bigint, bigint][] = [];
    for (const [from, to] of [...ranges].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))) {
      const last = merged.at(-1);
      if (last === undefined || from > last[1] + 1n) merged.push([from, to]);
      else if (to > last[1]) last[1] = to;
    }
    this.#ranges = merged;
    this.count = merged.reduce((sum, [from, to]) => sum + to - from + 1n, 0n);
  }

  /** The last number of the range that holds `number`; undefined when none does. */
  endAround(number: bigint): bigint | undefined {
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (range === undefined) return undefined;
      if (number < range[0]) high = middle - 1;
      else if (number > range[1]) low = middle + 1;
      else return range[1];
    }
    return undefined;
  }
}
