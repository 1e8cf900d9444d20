import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { ClusterAccess, TlsMaterial } from './cluster-access.ts';
import { KubeError, transportReasons } from './error.ts';

export interface Outgoing {
  readonly method: string;
  /** Path below the server's URL, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long the answer may take, in milliseconds: the whole of it, or of a stream its head. */
  readonly timeoutMs: number;
  readonly stream?: boolean | undefined;
  /** The same request twice does no harm, so it may be sent again after a pooled connection turned out dead. */
  readonly repeatable?: boolean | undefined;
}

/** A peer that vanished is noticed after this and ten probes of 1 s. */
const keepAliveProbeMs = 10_000;
/** As many as a component has workers: a connection more costs little, one less a TLS handshake for each request. */
const maxIdleConnections = 64;

/**
 * HTTP/1.1 to one API server: pooled connections, credentials, and the mapping of every failure to a KubeError.
 * A request whose signal is aborted rejects with the signal's reason.
 */
export class Transport {
  readonly #access: ClusterAccess;
  #pool: { readonly tls: TlsMaterial; readonly agent: HttpAgent } | undefined;
  /** Agents of an earlier certificate, which still serve what was begun on them. */
  readonly #retired = new Set<HttpAgent>();
  #closed = false;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /** Resolves with the head of the answer, whatever its status; after a 401 it has already tried a renewed credential. */
  async send(outgoing: Outgoing): Promise<IncomingMessage> {
    const first = await this.#sendAuthorized(outgoing, false);
    if (first.statusCode !== 401) return first;
    first.destroy();
    return await this.#sendAuthorized(outgoing, true);
  }

  /** Ends all connections; requests under way fail. */
  close(): void {
    this.#closed = true;
    this.#pool?.agent.destroy();
    for (const agent of this.#retired) agent.destroy();
    this.#retired.clear();
  }

  async #sendAuthorized(outgoing: Outgoing, renew: boolean): Promise<IncomingMessage> {
    outgoing.signal?.throwIfAborted();
    let authorization: string | undefined;
    let agent: HttpAgent;
    try {
      [authorization, agent] = await Promise.all([this.#access.authorization(renew), this.#agent()]);
    } catch (error) {
      throw unreachable(outgoing, error);
    }
    const headers = { ...outgoing.headers, ...(authorization && { authorization }) };
    for (let attempt = 0; ; attempt++) {
      outgoing.signal?.throwIfAborted();
      if (this.#closed) throw unreachable(outgoing, new Error('the client is closed'));
      try {
        return await this.#sendOnce(outgoing, headers, agent);
      } catch (error) {
        // Each dead connection of the pool may cost one attempt; a fresh one that breaks is a failure.
        const stale = error instanceof StaleConnection;
        if (!stale || !outgoing.repeatable || attempt > maxIdleConnections) {
          throw stale ? unreachable(outgoing, error.cause) : error;
        }
      }
    }
  }

  #sendOnce(outgoing: Outgoing, headers: Record<string, string>, agent: HttpAgent): Promise<IncomingMessage> {
    const { signal } = outgoing;
    const server = this.#access.server;
    return new Promise((resolve, reject) => {
      const open = server.protocol === 'http:' ? httpRequest : httpsRequest;
      const request: ClientRequest = open({
        host: server.hostname.replace(/^\[|\]$/g, ''),
        port: server.port || (server.protocol === 'http:' ? 80 : 443),
        path: `${server.pathname.replace(/\/$/, '')}${outgoing.path}`,
        method: outgoing.method,
        headers,
        agent,
      });
      const onAbort = () => request.destroy(new Error('aborted'));
      const timer = setTimeout(() => request.destroy(new NoAnswer(outgoing.timeoutMs)), outgoing.timeoutMs);
      const release = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      request.on('socket', socket => socket.setKeepAlive(true, keepAliveProbeMs));
      request.on('error', error => {
        release();
        if (signal?.aborted) reject(signal.reason);
        else if (request.reusedSocket && !(error instanceof NoAnswer))
          reject(new StaleConnection('', { cause: error }));
        else reject(unreachable(outgoing, error));
      });
      request.on('response', response => {
        if (outgoing.stream) clearTimeout(timer);
        response.once('close', release);
        resolve(response);
      });
      request.end(outgoing.body);
    });
  }

  async #agent(): Promise<HttpAgent> {
    const tls = await this.#access.tls();
    if (this.#pool?.tls === tls) return this.#pool.agent;
    if (this.#pool) this.#retire(this.#pool.agent);
    const pooling = { keepAlive: true, keepAliveMsecs: keepAliveProbeMs, maxFreeSockets: maxIdleConnections };
    const agent =
      this.#access.server.protocol === 'http:'
        ? new HttpAgent(pooling)
        : new HttpsAgent({
            ...pooling,
            ...(tls.ca && { ca: tls.ca }),
            ...(tls.cert && { cert: tls.cert }),
            ...(tls.key && { key: tls.key }),
            ...(tls.serverName && { servername: tls.serverName }),
            minVersion: 'TLSv1.2',
          });
    this.#pool = { tls, agent };
    return agent;
  }

  #retire(agent: HttpAgent): void {
    for (const sockets of Object.values(agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
    for (const old of this.#retired) {
      if (Object.keys(old.sockets).length === 0) this.#retired.delete(old);
    }
    this.#retired.add(agent);
  }
}

/**
 * Reads a whole body.
 *
 * @param limit in bytes; a longer body is an error.
 * @throws KubeError, or the reason of the signal.
 */
export async function readBody(
  response: IncomingMessage,
  outgoing: Pick<Outgoing, 'method' | 'path' | 'signal'>,
  limit: number,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limit) {
        throw new KubeError(`Cannot ${describe(outgoing)} as the answer must be at most ${limit} bytes`, {
          status: response.statusCode ?? 0,
          reason: transportReasons.invalid,
        });
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw bodyError(error, outgoing);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length);
}

/** What a failure while reading a body means: the caller's abort, or a KubeError. */
export function bodyError(error: unknown, outgoing: Pick<Outgoing, 'method' | 'path' | 'signal'>): unknown {
  if (outgoing.signal?.aborted) return outgoing.signal.reason;
  return error instanceof KubeError ? error : unreachable(outgoing, error);
}

/** "get /api/v1/pods": what completes "Cannot …". The query is left out, it may be long. */
export function describe({ method, path }: Pick<Outgoing, 'method' | 'path'>): string {
  return `${method} ${path.split('?', 1)[0]}`;
}

class StaleConnection extends Error {}

class NoAnswer extends Error {
  constructor(afterMs: number) {
    super(`no answer within ${afterMs} ms`);
  }
}

function unreachable(outgoing: Pick<Outgoing, 'method' | 'path'>, cause: unknown): KubeError {
  const why = cause instanceof Error ? cause.message || cause.name : String(cause);
  const reason = cause instanceof NoAnswer ? transportReasons.timeout : transportReasons.unreachable;
  return new KubeError(`Cannot ${describe(outgoing)}: ${why}`, { status: 0, reason }, { cause });
}
