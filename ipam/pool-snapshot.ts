/** What a pool remembers, in JSON: offsets are distances from the first address of the CIDR, in decimal. */
export interface PoolSnapshot {
  readonly cidr: string;
  readonly cursor: string;
  /** Runs of used addresses: [first, how many]. */
  readonly used: readonly (readonly [string, string])[];
  /** Released addresses, the longest released first. */
  readonly resting: readonly {
    readonly offset: string;
    readonly owner?: string;
    readonly remainingMs: number;
  }[];
}

const decimal = /^(0|[1-9]\d{0,38})$/;

/**
 * Reads a snapshot from what `JSON.parse` gave.
 *
 * @throws TypeError that names the field.
 */
export function parsePoolSnapshot(value: unknown): PoolSnapshot {
  const { cidr, cursor, used, resting } = asObject(value, 'snapshot');
  if (typeof cidr !== 'string') throw unreadable('cidr', 'a text', cidr);
  return {
    cidr,
    cursor: asDecimal(cursor, 'cursor'),
    used: asArray(used, 'used').map((run, index) => {
      const [first, length, ...rest] = asArray(run, `used[${index}]`);
      if (rest.length > 0) throw unreadable(`used[${index}]`, 'a pair of numbers in texts', run);
      return [asDecimal(first, `used[${index}][0]`), asDecimal(length, `used[${index}][1]`)] as const;
    }),
    resting: asArray(resting, 'resting').map((entry, index) => {
      const { offset, owner, remainingMs } = asObject(entry, `resting[${index}]`);
      if (typeof remainingMs !== 'number' || !(remainingMs >= 0)) {
        throw unreadable(`resting[${index}].remainingMs`, 'a number of milliseconds', remainingMs);
      }
      if (owner !== undefined && typeof owner !== 'string') {
        throw unreadable(`resting[${index}].owner`, 'a text', owner);
      }
      const where = asDecimal(offset, `resting[${index}].offset`);
      return { offset: where, remainingMs, ...(owner === undefined ? {} : { owner }) };
    }),
  };
}

function asObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unreadable(path, 'an object', value);
  return value as Record<string, unknown>;
}

function asArray(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw unreadable(path, 'a list', value);
  return value;
}

function asDecimal(value: unknown, path: string): string {
  if (typeof value !== 'string' || !decimal.test(value))
    throw unreadable(path, 'a whole number in a text', value);
  return value;
}

function unreadable(path: string, expected: string, value: unknown): TypeError {
  return new TypeError(
    `Cannot read the snapshot as ${path} must be ${expected}: current value is ${JSON.stringify(value)}`,
  );
}
