/** Stands between a client and a real server: refuses methods, answers in its place, stalls, and cuts connections. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Endpoint } from '../endpoint.ts';
import { FrameScanner } from '../json-frames.ts';

export class OvsdbProxy implements AsyncDisposable {
  readonly #target: Endpoint;
  readonly #server: Server;
  readonly #links = new Set<{ readonly client: Socket; readonly upstream: Socket }>();
  /** Requests of these methods are answered with `unknown method`, as by an older server. */
  readonly refused = new Set<string>();
  /** While it is set, nothing comes back from the server. */
  stalled = false;
  /** Connections so far. */
  connections = 0;
  /** Calls back before a request of the client is passed on. */
  onRequest: (method: string, params: readonly unknown[]) => void = () => {};
  /** Answers a request itself where it gives a result: the server does not get it. */
  answer: (method: string, params: readonly unknown[]) => unknown = () => undefined;

  constructor(target: Endpoint) {
    this.#target = target;
    this.#server = createServer(client => this.#link(client));
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

  /** Resets all connections; what was on its way is lost. */
  cut(): void {
    for (const { client, upstream } of this.#links) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #link(client: Socket): void {
    this.connections++;
    const target = this.#target;
    const upstream =
      target.kind === 'unix'
        ? createConnection({ path: target.path })
        : createConnection({ host: target.host, port: target.port });
    const link = { client, upstream };
    this.#links.add(link);
    const scanner = new FrameScanner(100_000_000);
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#links.delete(link);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', chunk => {
      for (const frame of scanner.push(chunk)) this.#pass(frame, link);
    });
    upstream.on('data', chunk => {
      if (!this.stalled) client.write(chunk);
    });
  }

  #pass(frame: Buffer, { client, upstream }: { readonly client: Socket; readonly upstream: Socket }): void {
    const request = JSON.parse(frame.toString()) as { method?: string; id?: unknown; params?: unknown[] };
    const { method, id, params = [] } = request;
    if (method !== undefined) this.onRequest(method, params);
    // The callback may have cut the connection.
    if (client.destroyed) return;
    const result = method === undefined ? undefined : this.answer(method, params);
    if (result !== undefined) client.write(JSON.stringify({ id, result, error: null }));
    else if (method === undefined || !this.refused.has(method)) upstream.write(frame);
    else client.write(JSON.stringify({ id, result: null, error: { error: 'unknown method' } }));
  }
}
