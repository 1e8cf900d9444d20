/** Random numbers that a seed repeats; xorshift32. @returns a whole number from 0 to below the bound. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Runs a test with a seed that OVSDB_TEST_SEED repeats; a failure names it. */
export async function withSeed(
  test: (random: (below: number) => number) => void | Promise<void>,
): Promise<void> {
  const seed = Number(process.env.OVSDB_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  try {
    await test(randomNumbers(seed));
  } catch (error) {
    throw new Error(`OVSDB_TEST_SEED=${seed}: ${String(error)}`, { cause: error });
  }
}

/** Any JSON value; texts hold what scanners trip over. */
export function randomJson(random: (below: number) => number, depth: number): unknown {
  switch (random(depth === 0 ? 5 : 7)) {
    case 0:
      return null;
    case 1:
      return random(2) === 1;
    case 2:
      return random(1_000_000) - 500_000;
    case 3:
      return random(1_000) / 7;
    case 4:
      return randomText(random);
    case 5:
      return Array.from({ length: random(8) }, () => randomJson(random, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random(8) }, () => [randomKey(random), randomJson(random, depth - 1)]),
      );
  }
}

const pieces = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  'a',
  'ü',
  '𝕏',
  '\n',
  '\u0000',
  ' ',
  '\\u',
  '0',
  '__proto__',
];

/**
 * Without what JSON escapes: V8 of Node 24 was seen to take an escaped key for another one that a sibling has. Names
 * of tables and columns, and UUIDs, need no escapes.
 */
function randomKey(random: (below: number) => number): string {
  return randomText(random).replaceAll(/[^\p{L}\p{N}{}[\]:, _]/gu, '');
}

function randomText(random: (below: number) => number): string {
  return Array.from({ length: random(12) }, () => pieces[random(pieces.length)]).join('');
}
