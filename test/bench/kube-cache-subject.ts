/** One subject of the benchmark kube-cache, in its own process; sends its figures to the parent. */
import type { KubeObject } from '../../api/meta.ts';
import { serviceNameLabel } from '../../api/names.ts';
import { endpointSlices } from '../../api/resource.ts';

export interface Figures {
  /** Importing the modules and reading the kubeconfig. */
  readonly loadMs: number;
  /** From there to a complete cache. */
  readonly syncedMs: number;
  /** Of the event loop, between those two. */
  readonly longestBlockMs: number;
  /** Heap that stays after a full collection. */
  readonly bytesAnObject: number;
  /** Of the whole process, after the collection. */
  readonly rssMb: number;
}

interface Running {
  size(): number;
  stop(): Promise<void>;
}

/** Loads what it needs; what it returns fills the cache. */
type Subject = (kubeconfig: string) => Promise<() => Promise<Running>>;

const subjects: Readonly<Record<string, Subject>> = {
  nauti: kubeconfig => ownCache(kubeconfig, slim),
  'nauti-whole': kubeconfig => ownCache(kubeconfig, object => object),
  'client-node': informer,
};

/** What a DNS server needs of a slice. */
function slim(object: KubeObject) {
  const endpoints = object.endpoints as { addresses: string[]; conditions: { ready: boolean } }[];
  const ports = object.ports as { name: string; port: number }[];
  return {
    service: object.metadata.labels?.[serviceNameLabel] ?? '',
    ports: ports.map(({ name, port }) => ({ name, port })),
    endpoints: endpoints.map(({ addresses, conditions }) => ({
      address: addresses[0],
      ready: conditions.ready,
    })),
  };
}

async function ownCache<P>(kubeconfig: string, project: (object: KubeObject) => P) {
  const { kubeconfigAccess } = await import('../../kube/access.ts');
  const { KubeClient } = await import('../../kube/client.ts');
  const { ObjectCache } = await import('../../kube/cache.ts');
  const { silentLogger } = await import('../../process/log.ts');
  const client = new KubeClient(await kubeconfigAccess(kubeconfig));
  const cache = new ObjectCache({ client, resource: endpointSlices, project, log: silentLogger() });
  return async () => {
    const stop = new AbortController();
    const running = cache.run(stop.signal);
    await cache.synced();
    return {
      size: () => cache.size,
      async stop() {
        stop.abort();
        await running;
        client.close();
      },
    };
  };
}

async function informer(kubeconfig: string) {
  const { KubeConfig, DiscoveryV1Api, makeInformer } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const api = config.makeApiClient(DiscoveryV1Api);
  const path = '/apis/discovery.k8s.io/v1/endpointslices';
  const one = makeInformer(config, path, () => api.listEndpointSliceForAllNamespaces());
  return async () => {
    await one.start();
    return { size: () => one.list().length, stop: async () => one.stop() };
  };
}

const [name = '', kubeconfig = '', expected = ''] = process.argv.slice(2);
const subject = subjects[name];
if (subject === undefined) {
  throw new Error(`Cannot measure ${name} as it must be one of ${Object.keys(subjects)}`);
}

globalThis.gc?.();
const heapBefore = process.memoryUsage().heapUsed;
const beforeLoad = performance.now();
const start = await subject(kubeconfig);
const loadMs = performance.now() - beforeLoad;
const stopTicking = tick();
const beforeStart = performance.now();
const running = await start();
const syncedMs = performance.now() - beforeStart;
const longestBlockMs = stopTicking();
if (running.size() !== Number(expected)) {
  throw new Error(`Cannot compare as ${expected} must be held: current value is ${running.size()}`);
}
globalThis.gc?.();
const figures: Figures = {
  loadMs,
  syncedMs,
  longestBlockMs,
  bytesAnObject: (process.memoryUsage().heapUsed - heapBefore) / running.size(),
  rssMb: process.memoryUsage().rss / 1e6,
};
process.send?.(figures);
await running.stop();
process.disconnect?.();

/** Watches the event loop. @returns a function that ends it and gives the longest block, in milliseconds. */
function tick(): () => number {
  let longest = 0;
  let last = performance.now();
  const note = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  };
  const ticker = setInterval(note, 1);
  return () => {
    clearInterval(ticker);
    note();
    return longest;
  };
}
