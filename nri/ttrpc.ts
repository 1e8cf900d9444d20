import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Channel, ProtocolError } from './multiplexer.ts';
import { RequestSchema, ResponseSchema } from './protocol/generated/ttrpc_pb.ts';

/**
 * ttrpc (containerd's gRPC without HTTP), unary calls only. A message is its length (u32be), its stream (u32be), a type,
 * flags, and at most 4 MiB; the request of a call has an odd stream of its own, the response the same.
 */

const headerLength = 10;
const longestMessage = 4 * 1024 * 1024;
const requestType = 1;
const responseType = 2;
/** More calls of the peer than this are not worked on at once. */
const mostCalls = 256;

/** gRPC status codes that we give or look at. */
export const statusCodes = {
  unknown: 2,
  invalidArgument: 3,
  resourceExhausted: 8,
  unimplemented: 12,
} as const;

/** A call that failed: thrown by handlers to choose the code, and by {@link TtrpcClient.call}. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface Message {
  readonly stream: number;
  readonly type: number;
  /** Undefined where it was longer than is legal; its bytes were dropped. */
  readonly body: Uint8Array | undefined;
}

const nothing: Buffer = Buffer.alloc(0);

/** Puts messages together again. It never holds more than one legal message. */
export class MessageReader {
  readonly #onMessage: (message: Message) => void;
  readonly #header = Buffer.alloc(headerLength);
  #headerFilled = 0;
  /** The body as far as it is there, and how long it will be. */
  #body = nothing;
  #remaining = 0;
  #stream = 0;
  #type = 0;
  #dropped = false;

  constructor(onMessage: (message: Message) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#remaining > 0) {
        const piece = chunk.subarray(at, at + this.#remaining);
        at += piece.length;
        this.#remaining -= piece.length;
        if (!this.#dropped) this.#take(piece);
        if (this.#remaining === 0) this.#finish();
        continue;
      }
      const copied = chunk.copy(this.#header, this.#headerFilled, at);
      at += copied;
      this.#headerFilled += copied;
      if (this.#headerFilled < headerLength) return;
      this.#headerFilled = 0;
      this.#remaining = this.#header.readUInt32BE(0);
      this.#stream = this.#header.readUInt32BE(4);
      this.#type = this.#header.readUInt8(8);
      this.#dropped = this.#remaining > longestMessage;
      if (this.#remaining === 0) this.#finish();
    }
  }

  /** @param piece the next one; `#remaining` says what comes after it. */
  #take(piece: Buffer): void {
    if (this.#body === nothing) {
      if (this.#remaining === 0) {
        this.#body = piece;
        return;
      }
      // Its pieces may be many and small: each kept for itself would weigh a hundred times what is in it.
      this.#body = Buffer.allocUnsafeSlow(piece.length + this.#remaining);
    }
    this.#body.set(piece, this.#body.length - this.#remaining - piece.length);
  }

  #finish(): void {
    const body = this.#body;
    this.#body = nothing;
    this.#onMessage({ stream: this.#stream, type: this.#type, body: this.#dropped ? undefined : body });
  }
}

export function encodeMessage(stream: number, type: number, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headerLength + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.writeUInt32BE(stream, 4);
  bytes.writeUInt8(type, 8);
  bytes.set(body, headerLength);
  return bytes;
}

/** Answers a call. A throw is answered with its text, and its code where it is a {@link StatusError}. */
export type Handler = (payload: Uint8Array) => Promise<Uint8Array> | Uint8Array;

/** Answers the peer's calls on a channel. What is not in `methods`, by `service/method`, is UNIMPLEMENTED. */
export function serveTtrpc(channel: Channel, methods: ReadonlyMap<string, Handler>): void {
  let working = 0;
  const answer = (stream: number, content: Parameters<typeof create<typeof ResponseSchema>>[1]) => {
    channel.send(
      encodeMessage(stream, responseType, toBinary(ResponseSchema, create(ResponseSchema, content))),
    );
  };
  const refuse = (stream: number, code: number, message: string) =>
    answer(stream, { status: { code, message } });
  const work = async ({ stream, body }: Message) => {
    if (body === undefined || working >= mostCalls) {
      const reason = body === undefined ? 'the message is too long' : 'too many calls at once';
      refuse(stream, statusCodes.resourceExhausted, reason);
      return;
    }
    working++;
    try {
      const { service, method, payload } = decode(() => fromBinary(RequestSchema, body));
      const handler = methods.get(`${service}/${method}`);
      if (handler === undefined) throw new StatusError(statusCodes.unimplemented, 'no such method');
      answer(stream, { payload: await handler(payload) });
    } catch (error) {
      const code = error instanceof StatusError ? error.code : statusCodes.unknown;
      refuse(stream, code, error instanceof Error ? error.message : String(error));
    } finally {
      working--;
    }
  };
  const reader = new MessageReader(message => {
    // Other types belong to streams, of which this service has none.
    if (message.type === requestType) void work(message);
  });
  channel.onData = piece => reader.push(piece);
}

/** Runs a decoder; what it cannot read is the caller's fault. */
export function decode<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new StatusError(statusCodes.invalidArgument, 'Cannot read the message as it must be protobuf', {
      cause: error,
    });
  }
}

/** Calls the peer's service. */
export class TtrpcClient {
  readonly #channel: Channel;
  readonly #calls = new Map<number, PromiseWithResolvers<Uint8Array>>();
  #nextStream = 1;

  constructor(channel: Channel) {
    this.#channel = channel;
    const reader = new MessageReader(message => this.#settle(message));
    channel.onData = piece => reader.push(piece);
  }

  /**
   * @throws StatusError where the peer refused; ProtocolError where its answer makes no sense; the signal's reason.
   */
  async call(service: string, method: string, payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted();
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const call = Promise.withResolvers<Uint8Array>();
    const onAbort = () => call.reject(signal.reason);
    this.#calls.set(stream, call);
    signal.addEventListener('abort', onAbort);
    try {
      const request = toBinary(RequestSchema, create(RequestSchema, { service, method, payload }));
      this.#channel.send(encodeMessage(stream, requestType, request));
      return await call.promise;
    } finally {
      this.#calls.delete(stream);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #settle({ stream, type, body }: Message): void {
    const call = type === responseType ? this.#calls.get(stream) : undefined;
    if (call === undefined) return;
    try {
      if (body === undefined)
        throw new ProtocolError('Cannot read an answer as it must be at most 4 MiB long');
      const { status, payload } = fromBinary(ResponseSchema, body);
      if (status !== undefined && status.code !== 0) throw new StatusError(status.code, status.message);
      call.resolve(payload);
    } catch (error) {
      call.reject(error);
    }
  }
}
