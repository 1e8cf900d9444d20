import type { Registry } from 'prom-client';
import { Controller, type Reconcile } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';

export interface ServiceControllerOptions {
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly concurrency: number;
  readonly log: Logger;
  readonly metrics?: Registry | undefined;
}

/** An API server that comes back is not kept waiting for long, in milliseconds. */
const backoff = { minMs: 50, maxMs: 15_000 };

/**
 * A controller with a backlog: services that are to be visited for once, after a start or when a cluster died, wait
 * behind all that have just changed. A worker takes one from the backlog only when nothing fresh is waiting.
 */
export class ServiceController {
  readonly #controller: Controller;
  readonly #reconcile: Reconcile;
  readonly #backlog = new Set<string>();
  readonly #concurrency: number;
  /** Of the backlog, given to the controller and not done yet. */
  readonly #lent = new Set<string>();

  constructor({ name, reconcile, concurrency, log, metrics }: ServiceControllerOptions) {
    this.#reconcile = reconcile;
    this.#concurrency = concurrency;
    this.#controller = new Controller({
      name,
      concurrency,
      log,
      metrics,
      backoff,
      reconcile: (service, signal) => this.#visit(service, signal),
    });
  }

  /** Services that wait for a worker. */
  get depth(): number {
    return this.#controller.depth + this.#backlog.size;
  }

  /** The service has changed. */
  enqueue(service: string): void {
    this.#backlog.delete(service);
    this.#controller.enqueue(service);
  }

  /** The services are to be visited when there is time. */
  visit(services: Iterable<string>): void {
    for (const service of services) this.#backlog.add(service);
    this.#lend();
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#controller.run(signal);
  }

  async #visit(service: string, signal: AbortSignal): ReturnType<Reconcile> {
    try {
      return await this.#reconcile(service, signal);
    } finally {
      this.#lent.delete(service);
      this.#lend();
    }
  }

  #lend(): void {
    for (const service of this.#backlog) {
      if (this.#lent.size >= this.#concurrency || this.#controller.depth >= this.#concurrency) return;
      this.#backlog.delete(service);
      this.#lent.add(service);
      this.#controller.enqueue(service);
    }
  }
}
