import { ProtocolError } from './errors.ts';

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/**
 * Cuts a byte stream into JSON objects. OVSDB puts nothing between them (RFC 7047 section 4), so the scanner counts
 * brackets and knows strings and escapes; whether the bytes in between are JSON is for the parser to say.
 *
 * Bytes may be cut anywhere. Memory is bounded by `maxBytes`, the length of the longest frame that is taken.
 */
export class FrameScanner {
  readonly #maxBytes: number;
  /** The frame's beginning, from earlier chunks. */
  #parts: Buffer[] = [];
  #partsLength = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next bytes and yields each frame that they complete.
   *
   * @throws ProtocolError where something else than an object begins, or a frame is too long. The scanner is of no use
   *   from then on.
   */
  *push(chunk: Buffer): Generator<Buffer, void> {
    let start = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#depth === 0) {
        at = skipBlanks(chunk, at);
        if (at === chunk.length) return;
        if (chunk[at] !== openBrace) throw unexpected(chunk, at);
        start = at;
      }
      at = this.#scan(chunk, at);
      if (this.#partsLength + at - start > this.#maxBytes) throw tooLong(this.#maxBytes);
      if (this.#depth > 0) break;
      yield this.#join(chunk.subarray(start, at));
    }
    if (this.#depth > 0) {
      this.#parts.push(chunk.subarray(start));
      this.#partsLength += chunk.length - start;
    }
  }

  /** @returns one behind the byte that ended the frame, or the chunk's length. */
  #scan(chunk: Buffer, from: number): number {
    // Fields in locals: this loop sees every byte that the server sends.
    let depth = this.#depth;
    let inString = this.#inString;
    let escaped = this.#escaped;
    let at = from;
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
      } else if (byte === quote) inString = true;
      else if (byte === openBrace || byte === openBracket) depth++;
      else if (byte === closeBrace || byte === closeBracket) {
        depth--;
        if (depth === 0) {
          at++;
          break;
        }
      }
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
    return at;
  }

  #join(last: Buffer): Buffer {
    if (this.#parts.length === 0) return last;
    const frame = Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#partsLength = 0;
    return frame;
  }
}

function skipBlanks(chunk: Buffer, from: number): number {
  let at = from;
  while (at < chunk.length && isBlank(chunk[at])) at++;
  return at;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function unexpected(chunk: Buffer, at: number): ProtocolError {
  const shown = JSON.stringify(chunk.toString('latin1', at, at + 16));
  return new ProtocolError(
    `Cannot read from the server as a message must begin with "{": current value is ${shown}`,
  );
}

function tooLong(maxBytes: number): ProtocolError {
  return new ProtocolError(
    `Cannot read from the server as a message must be at most ${maxBytes} bytes long: current value is longer`,
  );
}
