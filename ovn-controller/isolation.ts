import type { Registry } from 'prom-client';
import { serviceExports, services } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import { Controller } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';
import { planIsolation } from './isolation-plan.ts';
import { IsolationStore } from './isolation-store.ts';
import type { ControllerMetrics } from './metrics.ts';
import type { Network } from './network.ts';
import type { Northbound } from './northbound.ts';
import { isAlive } from './port-owner.ts';
import type { WatchedPod } from './watched-pod.ts';
import { readService, type WatchedService } from './watched-service.ts';

export interface IsolationOptions {
  readonly client: KubeClient;
  readonly northbound: Northbound;
  readonly pods: { values(): Iterable<WatchedPod> };
  isIsolatedNamespace(name: string): boolean;
  /** Whether any namespace is. */
  hasIsolatedNamespace(): boolean;
  readonly network: () => Network | undefined;
  readonly log: Logger;
  readonly registry: Registry;
  readonly metrics: ControllerMetrics;
}

/** There is one thing to reconcile: all groups together, as they share rules. */
const everything = 'isolation';
/** Changes are gathered for so long, in milliseconds. */
const gatherMs = 50;

/** Keeps OVN's access rules equal to what namespaces and Services say about isolation. */
export class Isolation {
  readonly #options: IsolationOptions;
  readonly #services: ObjectCache<WatchedService>;
  readonly #exports: ObjectCache<true>;
  readonly #store: IsolationStore;
  readonly #controller: Controller;
  #isLeading = false;

  constructor(options: IsolationOptions) {
    const { client, log, registry } = options;
    this.#options = options;
    const shared = { client, log, metrics: registry };
    this.#services = new ObjectCache<WatchedService>({
      ...shared,
      resource: services,
      project: readService,
      indexes: { namespace: service => [service.namespace] },
    });
    this.#exports = new ObjectCache<true>({ ...shared, resource: serviceExports, project: () => true });
    this.#store = new IsolationStore(options.northbound);
    this.#controller = new Controller({
      name: 'isolation',
      reconcile: (_, signal) => this.#reconcile(signal),
      log,
      metrics: registry,
    });
    this.#services.subscribe(() => this.changed());
    this.#exports.subscribe(() => this.changed());
    this.#store.subscribe(() => this.changed());
  }

  /** Something that may matter is different: a pod, its port, a namespace. */
  changed(): void {
    if (this.#isLeading) this.#controller.enqueueAfter(everything, gatherMs);
  }

  async follow(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#services.run(signal), this.#exports.run(signal)]);
  }

  async lead(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([
        this.#services.synced(signal),
        this.#exports.synced(signal),
        this.#store.synced(signal),
      ]);
      this.#isLeading = true;
      this.#controller.enqueue(everything);
      await this.#controller.run(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#isLeading = false;
    }
  }

  async #reconcile(signal: AbortSignal): Promise<void> {
    const network = this.#options.network();
    // Told again when it is known, by the first port.
    if (network === undefined) return;
    const now = Date.now();
    // In most clusters nothing is isolated: thousands of pods a second must not be looked through for that.
    if (!this.#asksForIsolation() && this.#store.isEmpty) return;
    const groups = planIsolation({
      network,
      pods: alive(this.#options.pods.values(), now),
      isIsolatedNamespace: name => this.#options.isIsolatedNamespace(name),
      servicesIn: namespace => this.#services.byIndex('namespace', namespace),
      isExported: service => this.#exports.get(service) !== undefined,
    });
    this.#options.metrics.isolatedPods.set(groups[0]?.pods.size ?? 0);
    await this.#store.equalize(groups, signal);
  }

  #asksForIsolation(): boolean {
    if (this.#options.hasIsolatedNamespace()) return true;
    for (const service of this.#services.values()) if (service.isIsolated) return true;
    return false;
  }
}

function* alive(pods: Iterable<WatchedPod>, now: number): Generator<WatchedPod> {
  for (const pod of pods) if (isAlive(pod, now)) yield pod;
}
