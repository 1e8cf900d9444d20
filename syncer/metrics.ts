import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface SyncerMetrics {
  readonly propagation: Histogram<'source_cluster'>;
  readonly heartbeats: Counter<'outcome'>;
}

/** What is counted where it happens. */
export function syncerMetrics(registry: Registry): SyncerMetrics {
  const registers = [registry];
  return {
    propagation: new Histogram({
      name: 'nauti_syncer_propagation_seconds',
      help: 'Time from a change of endpoints in another cluster until it stands in this one, by the clocks of both.',
      labelNames: ['source_cluster'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 60, 300],
      registers,
    }),
    heartbeats: new Counter({
      name: 'nauti_syncer_heartbeats_total',
      help: "Renewals of this cluster's lease on the hub, by outcome: renewed, failed.",
      labelNames: ['outcome'],
      registers,
    }),
  };
}

/** What is read when it is asked for. */
export function gauges(
  registry: Registry,
  readings: {
    readonly exports: () => number;
    readonly imports: () => number;
    readonly hubFresh: () => boolean;
    readonly clusters: () => readonly (readonly [clusterId: string, alive: boolean])[];
  },
): void {
  const registers = [registry];
  new Gauge({
    name: 'nauti_syncer_exports',
    help: 'ServiceExports of this cluster.',
    registers,
    collect() {
      this.set(readings.exports());
    },
  });
  new Gauge({
    name: 'nauti_syncer_imports',
    help: 'ServiceImports of this cluster.',
    registers,
    collect() {
      this.set(readings.imports());
    },
  });
  new Gauge({
    name: 'nauti_syncer_hub_fresh',
    help: '1 while the view of the hub is known to be fresh.',
    registers,
    collect() {
      this.set(readings.hubFresh() ? 1 : 0);
    },
  });
  new Gauge({
    name: 'nauti_syncer_cluster_alive',
    help: '1 for a cluster whose endpoints are answered, 0 for one that is dead or not known to live.',
    labelNames: ['cluster'],
    registers,
    collect() {
      this.reset();
      for (const [cluster, alive] of readings.clusters()) this.set({ cluster }, alive ? 1 : 0);
    },
  });
}
