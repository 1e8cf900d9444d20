import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { leaseDurationMs } from '../membership/cluster-lease.ts';
import type { Logger } from '../process/log.ts';
import { ClusterWatch } from './cluster-watch.ts';
import { exportReconcile } from './export-reconcile.ts';
import { keepAlive } from './heartbeat.ts';
import type { HubMembership } from './hub-membership.ts';
import { HubView } from './hub-view.ts';
import { importReconcile } from './import-reconcile.ts';
import type { Liveness } from './liveness.ts';
import type { LocalView } from './local-view.ts';
import { gauges, type SyncerMetrics, syncerMetrics } from './metrics.ts';
import { Propagation } from './propagation.ts';
import { rememberCidr } from './remember-cidr.ts';
import { ServiceController } from './service-controller.ts';
import { allServices, followHub, followLocal, type ServiceListener } from './service-events.ts';

/** Longer than the time between two renewals, and well below a lease; in milliseconds. */
const viewGapMs = 8_000;
/** So long a leader that has just begun waits for the hub before it works without it, in milliseconds. */
const hubPatienceMs = 5_000;

export interface SyncerOptions {
  readonly local: LocalView;
  /** Whether imports get a VIP. */
  readonly clusterSetIp: boolean;
  /** Services worked on at once, for exports and for imports each. */
  readonly concurrency: number;
  /** What the cluster's Lease on the hub tells, besides of the joining. */
  readonly leaseAnnotations: () => Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly metrics: Registry;
}

/** The views of both sides, and the two controllers between them. */
export class Syncer {
  readonly #options: SyncerOptions;
  readonly #metrics: SyncerMetrics;
  readonly #propagation: Propagation;
  readonly #exports: ServiceController;
  readonly #imports: ServiceController;
  readonly #listener: ServiceListener;
  /** What the hub refused, by service. */
  readonly #failures = new Map<string, string>();
  #hub: HubView | undefined;
  #clusters: ClusterWatch | undefined;

  constructor(options: SyncerOptions) {
    this.#options = options;
    const { local, clusterSetIp, concurrency, log, metrics } = options;
    this.#metrics = syncerMetrics(metrics);
    this.#propagation = new Propagation(this.#metrics.propagation);
    const common = { concurrency, log, metrics };
    this.#exports = new ServiceController({
      ...common,
      name: 'exports',
      reconcile: exportReconcile({
        local,
        hub: () => this.#hub,
        report: (service, failure) => this.#report(service, failure),
      }),
    });
    this.#imports = new ServiceController({
      ...common,
      name: 'imports',
      reconcile: importReconcile({
        local,
        hub: () => this.#hub,
        livenessOf: clusterId => this.#livenessOf(clusterId),
        clusterSetIp,
        failureOf: service => this.#failures.get(service),
        onSlice: outcome => this.#propagation.settle(outcome),
      }),
    });
    this.#listener = {
      toExport: service => this.#exports.enqueue(service),
      toImport: service => this.#imports.enqueue(service),
    };
    gauges(metrics, {
      exports: () => local.exports.size,
      imports: () => local.imports.size,
      hubFresh: () => this.#clusters?.isFresh() ?? false,
      clusters: () =>
        (this.#clusters?.clusterIds() ?? []).map(id => [id, this.#livenessOf(id) === 'alive'] as const),
    });
  }

  /** What is missing until everything is known, as a sentence; undefined when nothing is. */
  get waitsFor(): string | undefined {
    if (!this.#options.local.hasSynced) return "this cluster's objects have not been read completely yet";
    if (!this.#hub?.hasSynced) return 'the hub has not been read completely yet';
    return undefined;
  }

  /** Follows this cluster until the signal is aborted. */
  async runLocal(signal: AbortSignal): Promise<void> {
    const { local } = this.#options;
    const unfollow = followLocal(local, () => this.#hub, this.#listener);
    try {
      await local.run(signal);
    } finally {
      unfollow();
    }
  }

  /** Follows the hub, and lets the others know that this cluster lives, until the signal is aborted. */
  async runHub({ membership, ...access }: HubMembership, signal: AbortSignal): Promise<void> {
    const { local, leaseAnnotations, log, metrics } = this.#options;
    const { clusterId } = local;
    const hub = new HubView({ ...access, clusterId, log: log.child({ side: 'hub' }), metrics });
    this.#clusters = new ClusterWatch({
      hub,
      log,
      leaseDurationMs,
      viewGapMs,
      onChange: id => this.#visitServicesOf(id),
      // What failed while the hub was away is not to wait for its next turn.
      onFresh: () => this.#exports.visit(allServices(local, this.#hub)),
    });
    // All listeners before the first object: what they are not told they do not know.
    this.#clusters.follow(signal);
    const ends = [this.#propagation.follow(hub), followHub(hub, this.#listener)];
    this.#hub = hub;
    const annotations = () => ({ ...leaseAnnotations(), ...membership?.leaseAnnotations });
    try {
      await Promise.all([
        hub.run(signal),
        keepAlive({ ...access, clusterId, annotations, log, metrics: this.#metrics }, signal),
        membership && rememberCidr({ ...access, membership, log, metrics }, signal),
        this.#visitAllWhenSynced(hub, signal),
      ]);
    } finally {
      for (const end of ends) end();
    }
  }

  /** Works until the signal is aborted; only the leader does. */
  async lead(signal: AbortSignal): Promise<void> {
    const { local, log } = this.#options;
    try {
      // Nothing is written from a part of the truth: what is not read yet would look deleted.
      await local.synced(signal);
      await this.#hubSyncedOrLate(signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (!this.#hub?.hasSynced) log.warn('hub is not reached, working on what this cluster itself exports');
    this.#visitAll();
    await Promise.all([this.#exports.run(signal), this.#imports.run(signal)]);
  }

  async #hubSyncedOrLate(signal: AbortSignal): Promise<void> {
    const enough = AbortSignal.any([signal, AbortSignal.timeout(hubPatienceMs)]);
    while (!this.#hub?.hasSynced && !enough.aborted) {
      if (this.#hub === undefined) await sleep(50, undefined, { signal: enough }).catch(() => undefined);
      else await this.#hub.synced(enough).catch(() => undefined);
    }
    signal.throwIfAborted();
  }

  async #visitAllWhenSynced(hub: HubView, signal: AbortSignal): Promise<void> {
    try {
      await hub.synced(signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    this.#options.log.info({ services: hub.exports.size, slices: hub.slices.size }, 'hub is read');
    this.#visitAll();
  }

  #visitAll(): void {
    const services = allServices(this.#options.local, this.#hub);
    this.#exports.visit(services);
    this.#imports.visit(services);
  }

  #visitServicesOf(clusterId: string): void {
    const services = this.#hub?.exports.byIndex('cluster', clusterId).map(one => one.service) ?? [];
    this.#imports.visit(services);
  }

  #livenessOf(clusterId: string): Liveness {
    return this.#clusters?.of(clusterId) ?? 'unknown';
  }

  #report(service: string, failure: string | undefined): void {
    if (this.#failures.get(service) === failure) return;
    if (failure === undefined) this.#failures.delete(service);
    else this.#failures.set(service, failure);
    this.#imports.enqueue(service);
  }
}
