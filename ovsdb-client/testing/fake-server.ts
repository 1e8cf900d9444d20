/** A server that does what a test tells it: for what no real one would do. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Endpoint } from '../endpoint.ts';
import { FrameScanner } from '../json-frames.ts';
import { sampleSchemaJson } from './sample-schema.ts';

/** One client of the server. */
export interface Guest {
  send(message: object): void;
  sendBytes(bytes: Buffer | string): void;
  hangUp(): void;
}

/** What is answered to a request; undefined leaves it without an answer. */
export type Answer = { readonly result: unknown } | { readonly error: unknown } | undefined;
export type Handler = (method: string, params: readonly unknown[], guest: Guest, id: unknown) => Answer;

export class FakeServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Every message that came, in order. */
  readonly received: { readonly method?: string; readonly id?: unknown; readonly result?: unknown }[] = [];
  readonly guests: Guest[] = [];

  constructor(handler: Handler) {
    this.#server = createServer(socket => this.#welcome(socket, handler));
  }

  async listen(): Promise<Endpoint> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', () => resolve()));
    const address = this.#server.address();
    return {
      kind: 'tcp',
      host: '127.0.0.1',
      port: typeof address === 'object' && address ? address.port : 0,
    };
  }

  methods(): (string | undefined)[] {
    return this.received.map(message => message.method);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #welcome(socket: Socket, handler: Handler): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    const scanner = new FrameScanner(1_000_000);
    const guest: Guest = {
      send: message => socket.write(JSON.stringify(message)),
      sendBytes: bytes => socket.write(bytes),
      hangUp: () => socket.destroy(),
    };
    this.guests.push(guest);
    socket.on('data', chunk => {
      for (const frame of scanner.push(chunk)) {
        const message = JSON.parse(frame.toString()) as { method?: string; params?: unknown[]; id?: unknown };
        this.received.push(message);
        if (message.method === undefined || message.id === null) continue;
        const answer = handler(message.method, message.params ?? [], guest, message.id);
        if (answer !== undefined) guest.send({ result: null, error: null, ...answer, id: message.id });
      }
    });
  }
}

const unknownMethod = { error: { error: 'unknown method' } };

/** Answers as an old server without `_Server` would; `more` goes first. */
export function sampleHandler(more: Handler = () => undefined): Handler {
  return (method, params, guest, id) => {
    const answer = more(method, params, guest, id);
    if (answer !== undefined) return answer;
    if (method === 'echo') return { result: params };
    if (method === 'get_schema') {
      return params[0] === 'Sample' ? { result: sampleSchemaJson } : { error: { error: 'unknown database' } };
    }
    return method === 'transact' ? undefined : unknownMethod;
  };
}

export { unknownMethod };
