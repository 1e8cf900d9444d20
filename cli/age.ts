const steps: readonly (readonly [unit: string, ms: number, below: number])[] = [
  ['s', 1_000, 120_000],
  ['m', 60_000, 2 * 3_600_000],
  ['h', 3_600_000, 2 * 86_400_000],
  ['d', 86_400_000, Number.POSITIVE_INFINITY],
];

/** A length of time in one unit, as kubectl shows ages: `45s`, `90m`, `30h`, `12d`. */
export function shortDuration(milliseconds: number): string {
  const ms = Math.max(0, milliseconds);
  const [unit, size] = steps.find(([, , below]) => ms < below) ?? ['d', 86_400_000];
  return `${Math.floor(ms / size)}${unit}`;
}
