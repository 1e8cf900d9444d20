import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What this folder measures of itself. One set a registry: several clients and caches of a process share it. */
export interface KubeMetrics {
  readonly requests: Counter<'verb' | 'code'>;
  readonly watchRestarts: Counter<'cache' | 'reason'>;
  readonly cacheObjects: Gauge<'cache'>;
  readonly unreadable: Counter<'cache'>;
  readonly queueDepth: Gauge<'controller'>;
  readonly reconcileSeconds: Histogram<'controller' | 'outcome'>;
  readonly leader: Gauge<'lease'>;
  readonly eventsDropped: Counter<string>;
}

const known = new WeakMap<Registry, KubeMetrics>();

export function kubeMetrics(registry: Registry): KubeMetrics {
  const existing = known.get(registry);
  if (existing !== undefined) return existing;
  const registers = [registry];
  const metrics: KubeMetrics = {
    requests: new Counter({
      name: 'nauti_kube_requests_total',
      help: 'Requests to API servers, by verb and HTTP status; code 0 got no answer.',
      labelNames: ['verb', 'code'],
      registers,
    }),
    watchRestarts: new Counter({
      name: 'nauti_kube_watch_restarts_total',
      help: 'Watches that ended, by cache and reason.',
      labelNames: ['cache', 'reason'],
      registers,
    }),
    cacheObjects: new Gauge({
      name: 'nauti_kube_cache_objects',
      help: 'Objects held by a cache.',
      labelNames: ['cache'],
      registers,
    }),
    unreadable: new Counter({
      name: 'nauti_kube_cache_unreadable_total',
      help: 'Objects that a cache could not read.',
      labelNames: ['cache'],
      registers,
    }),
    queueDepth: new Gauge({
      name: 'nauti_kube_queue_depth',
      help: 'Keys that wait for a worker, without those that wait for their time.',
      labelNames: ['controller'],
      registers,
    }),
    reconcileSeconds: new Histogram({
      name: 'nauti_kube_reconcile_duration_seconds',
      help: 'Time that reconciling a key took, by outcome: done, requeue, error, terminal.',
      labelNames: ['controller', 'outcome'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    }),
    leader: new Gauge({
      name: 'nauti_kube_leader',
      help: '1 while this process holds the lease.',
      labelNames: ['lease'],
      registers,
    }),
    eventsDropped: new Counter({
      name: 'nauti_kube_events_dropped_total',
      help: 'Events that were not written, because there were too many or the API server refused them.',
      registers,
    }),
  };
  known.set(registry, metrics);
  return metrics;
}
