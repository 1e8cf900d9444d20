/** An HTTP proxy on loopback between a client and a real API server that breaks what it is told to break. */
import { once } from 'node:events';
import { type Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { kubeconfigAccess } from '../../../kube/access.ts';
import type { ClusterAccess } from '../../../kube/cluster-access.ts';

/** What happens to one request; several fields may be combined. */
export interface Fault {
  /** Answered by the proxy itself, the API server is not asked. */
  readonly answer?: {
    readonly status: number;
    readonly headers?: Record<string, string>;
    readonly body?: string | Buffer;
  };
  /** Asks the API server for this instead. */
  readonly path?: string;
  /** The body goes through in pieces of so many bytes. */
  readonly pieces?: number;
  readonly dropBookmarks?: boolean;
  /** After so many bytes of the body: reset the connection, send nothing more, end it as if it were complete, or inject. */
  readonly after?: {
    readonly bytes: number;
    readonly action: 'reset' | 'stall' | 'end' | { readonly inject: Buffer };
  };
}

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly watch: boolean;
  readonly authorization: string | undefined;
  readonly body: string;
}

export class FaultProxy {
  readonly #server: Server;
  readonly #upstream: ClusterAccess;
  readonly #agent: Agent;
  readonly #sockets = new Set<Socket>();
  /** Decides what happens to each request; undefined lets it pass. */
  decide: (request: ProxiedRequest) => Fault | undefined = () => undefined;
  /** While true, nothing comes through in either direction; connections stay open. */
  #partitioned = false;
  #healed = Promise.withResolvers<void>();
  /** Requests that reached the proxy. */
  requests = 0;
  /** Watches whose head went to the client, and that have not ended. */
  watches = 0;

  private constructor(server: Server, upstream: ClusterAccess, agent: Agent) {
    this.#server = server;
    this.#upstream = upstream;
    this.#agent = agent;
  }

  /** The proxy speaks to the API server as the user of the kubeconfig, whoever the client says it is. */
  static async start(kubeconfig: string): Promise<FaultProxy> {
    const upstream = await kubeconfigAccess(kubeconfig);
    const tls = await upstream.tls();
    const agent = new HttpsAgent({ ca: tls.ca, cert: tls.cert, key: tls.key, keepAlive: true });
    const server = createServer();
    const proxy = new FaultProxy(server, upstream, agent);
    server.on('request', (request, response) => void proxy.#serve(request, response));
    server.on('connection', socket => {
      proxy.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => proxy.#sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get access(): ClusterAccess {
    const { port } = this.#server.address() as AddressInfo;
    return {
      server: new URL(`http://127.0.0.1:${port}`),
      namespace: undefined,
      tls: async () => noTls,
      authorization: async () => undefined,
    };
  }

  /** Open connections of clients. */
  get connections(): number {
    return this.#sockets.size;
  }

  partition(): void {
    if (this.#partitioned) return;
    this.#partitioned = true;
    this.#healed = Promise.withResolvers<void>();
  }

  heal(): void {
    this.#partitioned = false;
    this.#healed.resolve();
  }

  /** RST on every connection of a client. */
  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.heal();
    this.resetAll();
    this.#agent.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.requests++;
      const body = await text(request);
      if (this.#partitioned) await this.#healed.promise;
      const path = request.url ?? '';
      const fault = this.decide({
        method: request.method ?? '',
        path,
        watch: path.includes('watch=true'),
        authorization: request.headers.authorization,
        body,
      });
      if (fault?.answer) {
        response.writeHead(fault.answer.status, fault.answer.headers ?? {});
        await this.#relay([Buffer.from(fault.answer.body ?? '')], response, fault);
        return;
      }
      const answer = await this.#ask(request, fault?.path ?? path, body, response);
      if (this.#partitioned) await this.#healed.promise;
      const { 'content-length': _, 'transfer-encoding': __, ...headers } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, headers);
      response.flushHeaders();
      if (path.includes('watch=true')) {
        this.watches++;
        response.on('close', () => this.watches--);
      }
      await this.#relay(answer as AsyncIterable<Buffer>, response, fault);
    } catch {
      // What breaks on one side breaks on the other.
      response.destroy();
    }
  }

  async #ask(
    request: IncomingMessage,
    path: string,
    body: string,
    response: ServerResponse,
  ): Promise<IncomingMessage> {
    const { host: _, authorization: __, connection: ___, ...headers } = request.headers;
    const upstream = httpsRequest({
      host: this.#upstream.server.hostname,
      port: this.#upstream.server.port,
      method: request.method,
      path,
      headers,
      agent: this.#agent,
    });
    response.on('close', () => upstream.destroy());
    upstream.end(body);
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
    upstream.on('error', () => undefined);
    answer.on('error', () => undefined);
    return answer;
  }

  async #relay(
    source: AsyncIterable<Buffer> | Iterable<Buffer>,
    response: ServerResponse,
    fault: Fault | undefined,
  ): Promise<void> {
    const after = fault?.after;
    let sent = 0;
    for await (const chunk of fault?.dropBookmarks ? withoutBookmarks(source) : source) {
      if (this.#partitioned) await this.#healed.promise;
      for (const piece of cut(chunk, fault?.pieces)) {
        if (after === undefined || sent + piece.length < after.bytes) {
          sent += piece.length;
          await write(response, piece);
          continue;
        }
        await write(response, piece.subarray(0, Math.max(0, after.bytes - sent)));
        await this.#break(response, after.action);
        return;
      }
    }
    response.end();
  }

  async #break(response: ServerResponse, how: NonNullable<Fault['after']>['action']): Promise<void> {
    if (how === 'end') response.end();
    else if (how === 'stall') await once(response, 'close');
    else if (how === 'reset') response.socket?.resetAndDestroy();
    else {
      await write(response, how.inject);
      await once(response, 'close');
    }
  }
}

const noTls = {};

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function* cut(chunk: Buffer, size = chunk.length): Generator<Buffer> {
  for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size);
}

/** Each write is an HTTP chunk of its own, and so a read of its own at the client. */
async function write(response: ServerResponse, piece: Buffer): Promise<void> {
  if (piece.length === 0) return;
  if (response.destroyed) throw new Error('the client left');
  if (response.write(piece)) return await setImmediate();
  await new Promise<void>(resolve => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

async function* withoutBookmarks(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  let rest = '';
  for await (const chunk of source) {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('{"type":"BOOKMARK"')) yield Buffer.from(`${line}\n`, 'latin1');
    }
  }
  yield Buffer.from(rest, 'latin1');
}

/** The error frame that a server ends a watch with whose version it has forgotten. */
export const expiredFrame = Buffer.from(
  `${JSON.stringify({
    type: 'ERROR',
    object: {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'Expired',
      code: 410,
      message: 'too old resource version',
    },
  })}\n`,
);

/** The body of an answer that refuses. */
export function status(code: number, reason: string): string {
  return JSON.stringify({
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code,
    reason,
    message: reason,
  });
}
