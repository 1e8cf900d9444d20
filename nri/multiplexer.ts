import type { Duplex } from 'node:stream';

/**
 * NRI's multiplexer: several connections over one socket. A frame is the connection's number (u32be), the length of the
 * payload (u32be) and the payload; frames say nothing about the messages in them.
 */

const headerLength = 8;
/** A whole ttrpc message with its header: more than that nobody sends in one frame. */
const longestPayload = 10 + 4 * 1024 * 1024;
/** The runtime reads a connection into a buffer of this size and fails where a frame is longer. */
const longestOutgoing = 4_096;

/** The other side sent what no peer of this protocol sends. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Takes frames apart. Payloads are passed on as they come, in pieces; nothing is kept but an incomplete header. */
export class FrameReader {
  readonly #onPayload: (connection: number, piece: Buffer) => void;
  readonly #header = Buffer.alloc(headerLength);
  #headerFilled = 0;
  #connection = 0;
  #remaining = 0;

  constructor(onPayload: (connection: number, piece: Buffer) => void) {
    this.#onPayload = onPayload;
  }

  /** @throws ProtocolError; what follows in the stream has no meaning then. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#remaining > 0) {
        const piece = chunk.subarray(at, at + this.#remaining);
        at += piece.length;
        this.#remaining -= piece.length;
        this.#onPayload(this.#connection, piece);
        continue;
      }
      const copied = chunk.copy(this.#header, this.#headerFilled, at);
      at += copied;
      this.#headerFilled += copied;
      if (this.#headerFilled < headerLength) return;
      this.#headerFilled = 0;
      this.#connection = this.#header.readUInt32BE(0);
      this.#remaining = this.#header.readUInt32BE(4);
      if (this.#remaining > longestPayload) {
        throw new ProtocolError(
          `Cannot read a frame as its length must be at most ${longestPayload}: current value is ${this.#remaining}`,
        );
      }
    }
  }
}

/** The frames for a piece of a connection's stream, one after the other. */
export function framesOf(connection: number, bytes: Uint8Array): Buffer {
  const count = Math.max(1, Math.ceil(bytes.length / longestOutgoing));
  const frames = Buffer.alloc(count * headerLength + bytes.length);
  let at = 0;
  for (let from = 0; from < bytes.length || from === 0; from += longestOutgoing) {
    const piece = bytes.subarray(from, from + longestOutgoing);
    frames.writeUInt32BE(connection, at);
    frames.writeUInt32BE(piece.length, at + 4);
    frames.set(piece, at + headerLength);
    at += headerLength + piece.length;
  }
  return frames;
}

/** One of the connections over a socket. */
export interface Channel {
  send(bytes: Uint8Array): void;
  /** Set by the user before anything is read. A throw of it ends the socket. */
  onData: (piece: Buffer) => void;
}

/** The connections over one socket. What comes for others than those opened is dropped. */
export class Multiplexer {
  readonly #socket: Duplex;
  readonly #channels = new Map<number, Channel>();
  readonly #maxUnsent: number;

  /** @param maxUnsent bytes that may wait for a peer that does not read; with more the socket ends. */
  constructor(socket: Duplex, maxUnsent = 8 * 1024 * 1024) {
    this.#socket = socket;
    this.#maxUnsent = maxUnsent;
    const reader = new FrameReader((connection, piece) => this.#channels.get(connection)?.onData(piece));
    socket.on('data', (chunk: Buffer) => {
      if (socket.destroyed) return;
      try {
        reader.push(chunk);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new ProtocolError(String(error)));
      }
    });
  }

  open(connection: number): Channel {
    const channel: Channel = {
      send: bytes => {
        if (this.#socket.destroyed) return;
        this.#socket.write(framesOf(connection, bytes));
        if (this.#socket.writableLength > this.#maxUnsent) {
          this.#socket.destroy(new ProtocolError('The peer must read what is sent to it'));
        }
      },
      onData: () => {},
    };
    this.#channels.set(connection, channel);
    return channel;
  }
}
