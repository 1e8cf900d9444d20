/** Random data that a failing test can show again: all of it comes from a seed. */

/** xorshift32. @returns numbers from 0 to 2³² − 1. */
export function randomNumbers(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

export function randomBytes(seed: number, length: number): Buffer {
  const next = randomNumbers(seed);
  return Buffer.from(Uint8Array.from({ length }, () => next() >>> 24));
}

/** The same bytes, cut anywhere. */
export function randomPieces(seed: number, bytes: Buffer): Buffer[] {
  const next = randomNumbers(seed);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + (next() % (next() % 2 === 0 ? 7 : 3_000));
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}
