import { setImmediate } from 'node:timers/promises';
import { ProtocolError } from './errors.ts';

/** About so many bytes are parsed at a time. */
const pieceBytes = 64 * 1024;
/** Values that do not fit into a piece are taken apart only so deep; OVSDB needs five levels. */
const deepest = 32;
/** After so long the event loop gets a turn, in milliseconds. */
const turnMs = 4;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;

/**
 * `JSON.parse` for texts of many megabytes, such as the first rows of a big table, that lets the event loop go on.
 * Objects that are taken apart on the way come back without a prototype.
 *
 * @throws ProtocolError where the bytes are not JSON.
 */
export async function parseLargeJson(bytes: Buffer): Promise<unknown> {
  const reader = new PieceReader(bytes);
  const value = await reader.value();
  reader.expectEnd();
  return value;
}

class PieceReader {
  readonly #bytes: Buffer;
  #at = 0;
  #turnBegan = performance.now();

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  async value(depth = 0): Promise<unknown> {
    this.#skipBlanks();
    const end = this.#endOfValue(this.#at, pieceBytes);
    if (end !== undefined) {
      const value = parse(this.#bytes.toString('utf8', this.#at, end));
      this.#at = end;
      return value;
    }
    const first = this.#bytes[this.#at];
    if (depth === deepest) throw notJson();
    if (first === 0x7b) return this.#object(depth + 1);
    if (first === 0x5b) return this.#array(depth + 1);
    // A long text: nothing to take apart.
    const all = this.#endOfValue(this.#at, this.#bytes.length);
    if (all === undefined) throw notJson();
    const value = parse(this.#bytes.toString('utf8', this.#at, all));
    this.#at = all;
    return value;
  }

  expectEnd(): void {
    this.#skipBlanks();
    if (this.#at !== this.#bytes.length) throw notJson();
  }

  async #array(depth: number): Promise<unknown[]> {
    const values: unknown[] = [];
    this.#at++;
    for (let first = true; ; first = false) {
      const piece = this.#piece(']', first);
      if (piece !== undefined) for (const value of parse(`[${piece}]`) as unknown[]) values.push(value);
      else values.push(await this.value(depth));
      if (this.#next(0x5d)) return values;
      await this.#breathe();
    }
  }

  async #object(depth: number): Promise<Record<string, unknown>> {
    const members = Object.create(null) as Record<string, unknown>;
    this.#at++;
    for (let first = true; ; first = false) {
      const piece = this.#piece('}', first);
      if (piece !== undefined) {
        const part = parse(`{${piece}}`) as Record<string, unknown>;
        for (const key of Object.keys(part)) members[key] = part[key];
      } else {
        const key = this.#key();
        members[key] = await this.value(depth);
      }
      if (this.#next(0x7d)) return members;
      await this.#breathe();
    }
  }

  /**
   * Takes as many whole members as fit into a piece, without the comma behind them.
   *
   * @param mayBeEmpty whether no member at all is legal, as it is behind an opening bracket but not behind a comma.
   * @returns undefined where the next one alone does not fit.
   */
  #piece(close: ']' | '}', mayBeEmpty: boolean): string | undefined {
    const start = this.#at;
    let end: number | undefined;
    let at = start;
    while (at - start < pieceBytes) {
      const behind = close === '}' ? this.#endOfMember(at, pieceBytes) : this.#endOfValue(at, pieceBytes);
      if (behind === undefined) break;
      end = behind;
      if (this.#bytes[behind] !== comma) break;
      at = behind + 1;
    }
    if (end === undefined) return undefined;
    this.#at = end;
    const piece = this.#bytes.toString('utf8', start, end);
    if (!mayBeEmpty && piece.trim() === '') throw notJson();
    return piece;
  }

  #key(): string {
    this.#skipBlanks();
    const end = this.#endOfValue(this.#at, this.#bytes.length);
    if (this.#bytes[this.#at] !== quote || end === undefined) throw notJson();
    const key = parse(this.#bytes.toString('utf8', this.#at, end)) as string;
    this.#at = end;
    this.#skipBlanks();
    if (this.#bytes[this.#at++] !== colon) throw notJson();
    return key;
  }

  /** Steps over a comma, or over `close`, and tells whether it was `close`. */
  #next(close: number): boolean {
    this.#skipBlanks();
    const byte = this.#bytes[this.#at++];
    if (byte !== comma && byte !== close) throw notJson();
    return byte === close;
  }

  #endOfMember(from: number, within: number): number | undefined {
    const keyEnd = this.#endOfValue(from, within);
    if (keyEnd === undefined) return undefined;
    let at = keyEnd;
    while (isBlank(this.#bytes[at])) at++;
    return this.#bytes[at] === colon ? this.#endOfValue(at + 1, within - (at + 1 - from)) : undefined;
  }

  /** One behind the value that begins at `from` and its blanks; undefined where it does not end `within` so many bytes. */
  #endOfValue(from: number, within: number): number | undefined {
    const bytes = this.#bytes;
    const limit = Math.min(bytes.length, from + within);
    let at = from;
    while (at < limit && isBlank(bytes[at])) at++;
    let depth = 0;
    let inString = false;
    for (; at < limit; at++) {
      const byte = bytes[at];
      if (inString) {
        if (byte === backslash) at++;
        else if (byte === quote) inString = false;
      } else if (byte === quote) inString = true;
      else if (byte === 0x7b || byte === 0x5b) depth++;
      else if (byte === 0x7d || byte === 0x5d) depth--;
      if (depth < 0) return at;
      if (depth > 0 || inString) continue;
      // The value is over at a closing bracket or quote, or, for numbers and words, before what cannot be part of it.
      if (byte === 0x7d || byte === 0x5d || byte === quote) return at + 1;
      if (isEndOfWord(bytes[at + 1])) return at + 1;
    }
    return undefined;
  }

  #skipBlanks(): void {
    while (isBlank(this.#bytes[this.#at])) this.#at++;
  }

  async #breathe(): Promise<void> {
    if (performance.now() - this.#turnBegan < turnMs) return;
    await setImmediate();
    this.#turnBegan = performance.now();
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isEndOfWord(byte: number | undefined): boolean {
  return (
    byte === undefined || byte === comma || byte === colon || byte === 0x5d || byte === 0x7d || isBlank(byte)
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw notJson(error);
  }
}

function notJson(cause?: unknown): ProtocolError {
  return new ProtocolError('Cannot read from the server as a message must be JSON', { cause });
}
