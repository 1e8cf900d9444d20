/** log₂ of the bits in one chunk. */
const chunkShift = 16n;
const chunkBits = 1 << Number(chunkShift);
const chunkMask = BigInt(chunkBits - 1);
const wordsPerChunk = chunkBits / 32;

interface Chunk {
  readonly words: Uint32Array;
  /** How many bits are set. */
  count: number;
}

/**
 * A set of whole numbers from 0 to `size` − 1, one bit each; memory is spent only on chunks of 65,536 numbers (8 KB)
 * of which one was ever set, so that `size` may be 2¹²⁸.
 *
 * Callers keep to numbers within the size.
 */
export class SparseBitmap {
  readonly size: bigint;
  readonly #chunks = new Map<bigint, Chunk>();
  /** The chunk that was used last: allocation in order stays in one. */
  #lastId = -1n;
  #last: Chunk | undefined;
  /** The hand, in two parts: numbers are faster than bigints. The index may be one behind the end of its chunk. */
  #handStart = 0n;
  #handIndex = 0;

  constructor(size: bigint) {
    this.size = size;
  }

  has(bit: bigint): boolean {
    const chunk = this.#chunk(bit >> chunkShift);
    if (chunk === undefined) return false;
    const index = Number(bit & chunkMask);
    return ((chunk.words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  /** @returns false when it was set already. */
  add(bit: bigint): boolean {
    const chunk = this.#chunk(bit >> chunkShift) ?? this.#create(bit >> chunkShift);
    const index = Number(bit & chunkMask);
    const word = chunk.words[index >>> 5] ?? 0;
    const mask = 1 << (index & 31);
    if ((word & mask) !== 0) return false;
    chunk.words[index >>> 5] = word | mask;
    chunk.count++;
    return true;
  }

  /** @returns false when it was not set. */
  delete(bit: bigint): boolean {
    const id = bit >> chunkShift;
    const chunk = this.#chunk(id);
    if (chunk === undefined) return false;
    const index = Number(bit & chunkMask);
    const word = chunk.words[index >>> 5] ?? 0;
    const mask = 1 << (index & 31);
    if ((word & mask) === 0) return false;
    chunk.words[index >>> 5] = word & ~mask;
    chunk.count--;
    if (chunk.count === 0) this.#drop(id);
    return true;
  }

  /** Where {@link addNextClear} goes on searching: one behind what it found last, or what was set here. */
  get hand(): bigint {
    return this.#handStart + BigInt(this.#handIndex);
  }

  set hand(bit: bigint) {
    this.#handIndex = Number(bit & chunkMask);
    this.#handStart = bit - BigInt(this.#handIndex);
  }

  /** Sets the lowest number from the hand on that is not set, and returns it; undefined when there is none. */
  addNextClear(): bigint | undefined {
    let chunk = this.#chunkAtHand();
    while (chunk !== undefined) {
      this.#handIndex = nextClearIn(chunk, this.#handIndex);
      if (this.#handIndex < chunkBits) break;
      this.#handStart += BigInt(chunkBits);
      this.#handIndex = 0;
      chunk = this.#chunkAtHand();
    }
    const found = this.#handStart + BigInt(this.#handIndex);
    if (found >= this.size) return undefined;
    const index = this.#handIndex++;
    chunk ??= this.#create(this.#handStart >> chunkShift);
    chunk.words[index >>> 5] = (chunk.words[index >>> 5] ?? 0) | (1 << (index & 31));
    chunk.count++;
    return found;
  }

  /** All runs of set numbers, as [first, how many], in order. */
  *runs(): Generator<readonly [bigint, bigint]> {
    const ids = [...this.#chunks.keys()].sort((a, b) => (a < b ? -1 : 1));
    let start = -1n;
    let end = -1n;
    for (const id of ids) {
      for (const [from, to] of runsIn(this.#chunks.get(id))) {
        const first = (id << chunkShift) + BigInt(from);
        if (first !== end) {
          if (start >= 0n) yield [start, end - start];
          start = first;
        }
        end = (id << chunkShift) + BigInt(to);
      }
    }
    if (start >= 0n) yield [start, end - start];
  }

  #chunk(id: bigint): Chunk | undefined {
    if (id === this.#lastId) return this.#last;
    this.#lastId = id;
    this.#last = this.#chunks.get(id);
    return this.#last;
  }

  #chunkAtHand(): Chunk | undefined {
    if (this.#handIndex === chunkBits) {
      this.#handStart += BigInt(chunkBits);
      this.#handIndex = 0;
    }
    return this.#chunk(this.#handStart >> chunkShift);
  }

  #create(id: bigint): Chunk {
    const chunk = { words: new Uint32Array(wordsPerChunk), count: 0 };
    this.#chunks.set(id, chunk);
    this.#lastId = id;
    this.#last = chunk;
    return chunk;
  }

  #drop(id: bigint): void {
    this.#chunks.delete(id);
    this.#lastId = -1n;
    this.#last = undefined;
  }
}

/** @returns the index of the first clear bit at or behind `from`, or `chunkBits`. */
function nextClearIn(chunk: Chunk, from: number): number {
  if (chunk.count === chunkBits) return chunkBits;
  let at = from >>> 5;
  // Bits below the start count as set.
  let word = (chunk.words[at] ?? 0) | ((1 << (from & 31)) - 1);
  while (~word === 0) {
    at++;
    if (at === wordsPerChunk) return chunkBits;
    word = chunk.words[at] ?? 0;
  }
  return at * 32 + 31 - Math.clz32(~word & -~word);
}

function* runsIn(chunk: Chunk | undefined): Generator<readonly [number, number]> {
  if (chunk === undefined) return;
  let start = -1;
  for (let index = 0; index < chunkBits; index++) {
    const set = ((chunk.words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
    if (set && start < 0) start = index;
    if (!set && start >= 0) {
      yield [start, index];
      start = -1;
    }
  }
  if (start >= 0) yield [start, chunkBits];
}
