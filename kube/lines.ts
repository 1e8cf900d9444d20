const firstCapacity = 4096;
/** A buffer that grew beyond this for one long line is given back after it. */
const keptCapacity = 256 * 1024;
const newline = 0x0a;

/** A line is longer than the splitter's bound. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

/**
 * Splits a byte stream, cut anywhere (inside a character too), into lines of UTF-8 text.
 * JSON escapes newlines inside of strings, so a frame of a watch is a line.
 */
export class LineSplitter {
  readonly #limit: number;
  #pending = Buffer.alloc(0);
  #length = 0;

  /** @param limit of one line, in bytes; memory stays below twice of it. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * The lines that end in this chunk; empty ones are left out.
   *
   * @throws LineTooLong; the splitter is of no use afterwards.
   */
  *push(chunk: Buffer): Generator<string, void, undefined> {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = this.#complete(chunk, start, end);
      start = end + 1;
      if (line !== '') yield line;
    }
    this.#keep(chunk, start);
  }

  #complete(chunk: Buffer, start: number, end: number): string {
    if (this.#length === 0) {
      this.#ensureBelowLimit(end - start);
      return chunk.toString('utf8', start, end);
    }
    this.#keep(chunk, start, end);
    const line = this.#pending.toString('utf8', 0, this.#length);
    this.#length = 0;
    if (this.#pending.length > keptCapacity) this.#pending = Buffer.alloc(0);
    return line;
  }

  #keep(chunk: Buffer, start: number, end = chunk.length): void {
    const needed = this.#length + end - start;
    this.#ensureBelowLimit(needed);
    if (needed > this.#pending.length) {
      const grown = Buffer.allocUnsafe(Math.max(firstCapacity, 2 * needed));
      this.#pending.copy(grown, 0, 0, this.#length);
      this.#pending = grown;
    }
    chunk.copy(this.#pending, this.#length, start, end);
    this.#length = needed;
  }

  #ensureBelowLimit(length: number): void {
    if (length > this.#limit) {
      throw new LineTooLong(`Cannot read a line as it must be at most ${this.#limit} bytes`);
    }
  }
}
