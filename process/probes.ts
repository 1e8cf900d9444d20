import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { SocketAddress } from './parsers.ts';

/** A condition that must hold, or the sentence that says what is missing. */
export type Check = () => true | string;

/**
 * What `/healthz` and `/readyz` answer: 200 while every check holds, else 503 with the sentences of those that do not.
 * A process without a registered check is healthy and ready.
 */
export class Probes {
  readonly #live = new Map<string, Check>();
  readonly #ready = new Map<string, Check>();

  live(name: string, check: Check): void {
    this.#live.set(name, check);
  }

  ready(name: string, check: Check): void {
    this.#ready.set(name, check);
  }

  failures(kind: 'live' | 'ready'): readonly string[] {
    const failures: string[] = [];
    for (const [name, check] of kind === 'live' ? this.#live : this.#ready) {
      const result = check();
      if (result !== true) failures.push(`${name}: ${result}`);
    }
    return failures;
  }
}

/**
 * Serves `/healthz`, `/readyz` and `/metrics`.
 *
 * @throws the socket's error when the address cannot be bound.
 */
export async function serveProbes(
  address: SocketAddress,
  probes: Probes,
  metrics: Registry,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path === '/healthz') answerProbe(response, probes.failures('live'));
    else if (path === '/readyz') answerProbe(response, probes.failures('ready'));
    else if (path === '/metrics') void answerMetrics(response, metrics);
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('try /healthz, /readyz or /metrics\n');
  });
  server.requestTimeout = 10_000;
  server.maxConnections = 64;
  await listen(server, address);
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : address.port,
    async close() {
      server.closeAllConnections();
      await new Promise<void>(resolve => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, address: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function answerProbe(response: ServerResponse, failures: readonly string[]): void {
  const body = failures.length === 0 ? 'ok\n' : `${failures.join('\n')}\n`;
  response
    .writeHead(failures.length === 0 ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' })
    .end(body);
}

async function answerMetrics(response: ServerResponse, metrics: Registry): Promise<void> {
  try {
    const body = await metrics.metrics();
    response.writeHead(200, { 'content-type': metrics.contentType }).end(body);
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end(`${String(error)}\n`);
  }
}
