import type { Socket } from 'node:net';
import { ClientAddress } from './client.ts';
import type { Responder } from './responder.ts';

/** All in milliseconds. */
export interface ConnectionLimits {
  /** Without a query under way. */
  idleMs: number;
  /** From the first octet of a message to its last. */
  frameMs: number;
  /** For the client to take what was written. */
  writeMs: number;
}

/** What a connection waits for; with it goes what it keeps meanwhile. */
type State =
  | { readonly kind: 'idle' }
  /** The rest of a message; `size` octets of `buffer` are there. */
  | { readonly kind: 'partial'; readonly buffer: Uint8Array; readonly size: number }
  /** The client, to take answers, before `unread` is looked at. Nothing more is read from the socket. */
  | { readonly kind: 'blocked'; readonly unread: Uint8Array }
  | { readonly kind: 'closing' };

const prefixSize = 2;
const maxMessage = 65_535;

/** Answers wait in the socket up to this size before no more queries are read, in octets. */
const maxUnsent = 65_536;

/** Answers are gathered here, so that many small ones are one write. Shared, as nothing stays in it between turns. */
const gathered = new Uint8Array(2 * (prefixSize + maxMessage));
const flushAt = gathered.length - (prefixSize + maxMessage);

/**
 * One client's connection: messages with a length of two octets before each (RFC 1035 section 4.2.2), any number
 * without waiting for answers (RFC 7766 section 6.2.1.1). What is kept of a client is bounded: one partial message,
 * one chunk that was not looked at yet, and {@link maxUnsent} of answers.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #responder: Responder;
  readonly #limits: ConnectionLimits;
  #state: State = { kind: 'idle' };
  readonly #client = new ClientAddress();
  #ended = false;
  /** When the connection ends unless something happens, by performance.now(). */
  deadline: number;

  constructor(socket: Socket, responder: Responder, limits: ConnectionLimits) {
    this.#socket = socket;
    this.#responder = responder;
    this.#limits = limits;
    this.#client.setText(socket.remoteAddress ?? '::');
    this.deadline = performance.now() + limits.idleMs;
    socket.on('data', chunk => this.#receive(chunk));
    socket.on('drain', () => this.#unblock());
    socket.on('end', () => this.#end());
    // A reset is the client's right; 'close' follows.
    socket.on('error', () => {});
  }

  get isIdle(): boolean {
    return this.#state.kind === 'idle';
  }

  /** Octets of queries and answers that wait. */
  get kept(): number {
    const state = this.#state;
    const own =
      state.kind === 'partial' ? state.buffer.length : state.kind === 'blocked' ? state.unread.length : 0;
    return own + this.#socket.readableLength + this.#socket.writableLength;
  }

  /** Ends as soon as the client has taken its answers. */
  finish(): void {
    if (this.#state.kind === 'blocked') this.#ended = true;
    else this.#close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Uint8Array): void {
    const state = this.#state;
    if (state.kind === 'closing') return;
    if (state.kind === 'blocked') {
      // Only what was under way when reading was paused; never more than a chunk or two.
      this.#state = { kind: 'blocked', unread: Buffer.concat([state.unread, chunk]) };
    } else if (state.kind === 'partial') this.#continue(state.buffer, state.size, chunk);
    else this.#answerAll(chunk);
  }

  /** Answers the complete messages of a chunk; keeps a partial one. */
  #answerAll(chunk: Uint8Array): void {
    const begin = performance.now();
    let queries = 0;
    let at = 0;
    let to = 0;
    for (;;) {
      const size = frameSize(chunk, at);
      if (at + size > chunk.length) break;
      to = this.#answer(chunk.subarray(at + prefixSize, at + size), to);
      at += size;
      queries++;
      if (to < flushAt) continue;
      to = this.#flush(to);
      if (this.#isBlocked()) break;
    }
    this.#flush(to);
    this.#responder.stats.time('tcp', queries, performance.now() - begin);
    if (this.#isBlocked()) this.#block(chunk.subarray(at));
    else this.#keep(chunk, at);
  }

  /** @returns how far the gathered answers reach now. */
  #answer(message: Uint8Array, to: number): number {
    const place = gathered.subarray(to + prefixSize);
    const size = this.#responder.respond(message, message.length, place, 'tcp', this.#client);
    if (size === 0) return to;
    gathered[to] = size >> 8;
    gathered[to + 1] = size & 0xff;
    return to + prefixSize + size;
  }

  #flush(size: number): number {
    if (size > 0) this.#socket.write(gathered.slice(0, size));
    return 0;
  }

  #isBlocked(): boolean {
    return this.#socket.writableLength > maxUnsent;
  }

  #block(unread: Uint8Array): void {
    this.#socket.pause();
    this.#state = { kind: 'blocked', unread };
    this.deadline = performance.now() + this.#limits.writeMs;
  }

  #unblock(): void {
    const state = this.#state;
    if (state.kind !== 'blocked') return;
    this.#state = { kind: 'idle' };
    this.#answerAll(state.unread);
    if (this.#isBlocked()) return;
    if (this.#ended) this.#close();
    else this.#socket.resume();
  }

  /** Keeps the octets from `at` on as the beginning of a message. */
  #keep(chunk: Uint8Array, at: number): void {
    const now = performance.now();
    const size = chunk.length - at;
    if (size === 0) {
      this.#state = { kind: 'idle' };
      this.deadline = now + this.#limits.idleMs;
      return;
    }
    const buffer = new Uint8Array(Math.max(512, size));
    buffer.set(chunk.subarray(at));
    this.#state = { kind: 'partial', buffer, size };
    this.deadline = now + this.#limits.frameMs;
  }

  /**
   * Completes the partial message. The buffer grows with what has come, not with what was announced; the deadline
   * stays, so that a client cannot hold a connection by an octet at a time.
   */
  #continue(buffer: Uint8Array, size: number, chunk: Uint8Array): void {
    const total = size + chunk.length;
    const grown = total <= buffer.length ? buffer : new Uint8Array(Math.max(total, buffer.length * 2));
    if (grown !== buffer) grown.set(buffer.subarray(0, size));
    grown.set(chunk, size);
    if (total >= frameSize(grown.subarray(0, total), 0)) this.#answerAll(grown.subarray(0, total));
    else this.#state = { kind: 'partial', buffer: grown, size: total };
  }

  /** The client sends no more, but may still read (half-closed). */
  #end(): void {
    this.#ended = true;
    if (this.#state.kind !== 'blocked') this.#close();
  }

  #close(): void {
    this.#state = { kind: 'closing' };
    this.deadline = performance.now() + this.#limits.writeMs;
    this.#socket.end();
  }
}

/** The octets of the message at `at` with its length; {@link Infinity} while its length has not come whole. */
function frameSize(octets: Uint8Array, at: number): number {
  if (at + prefixSize > octets.length) return Infinity;
  return prefixSize + ((octets[at] as number) << 8) + (octets[at + 1] as number);
}
