/** A hub and two clusters with real API servers, and the real processes of the product between them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '../../api/meta.ts';
import { componentNamespace, shareNamespace } from '../../api/names.ts';
import { endpointSlices, namespaces, serviceExports, serviceImports, services } from '../../api/resource.ts';
import { bundle } from '../../build/bundle.ts';
import { kubeconfigAccess } from '../../kube/access.ts';
import { KubeClient } from '../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../lab/control-plane.ts';
import { until } from '../../lab/until.ts';
import { installCrds } from '../integration/install-crds.ts';

export interface Cluster {
  readonly id: string;
  readonly plane: ControlPlane;
  readonly client: KubeClient;
}

export interface World {
  /** The program as the image has it. */
  readonly program: string;
  readonly hub: Cluster;
  readonly cluster1: Cluster;
  readonly cluster2: Cluster;
  stop(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'nauti-bench-'));
  await bundle(join(directory, 'program'));
  const start = async (id: string): Promise<Cluster> => {
    const plane = await startControlPlane({ directory: join(directory, id) });
    const client = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
    await installCrds(client);
    for (const name of [shareNamespace, componentNamespace])
      await client.create(namespaces, { metadata: { name } });
    return { id, plane, client };
  };
  const [hub, cluster1, cluster2] = await Promise.all(['hub', 'cluster1', 'cluster2'].map(start));
  if (hub === undefined || cluster1 === undefined || cluster2 === undefined) throw new Error('unreachable');
  return {
    program: join(directory, 'program', 'nauti.js'),
    hub,
    cluster1,
    cluster2,
    async stop() {
      for (const { client, plane } of [hub, cluster1, cluster2]) {
        client.close();
        await plane.stop();
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A process of the product. */
export class Process {
  readonly #child: ChildProcess;
  #ended = false;

  constructor(program: string, component: string, flags: Readonly<Record<string, string>>) {
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    // The kernel ends it when the benchmark ends, whatever ends that.
    const command = ['--pdeathsig', 'KILL', '--', process.execPath, program, component, ...args];
    this.#child = spawn('setpriv', command, {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#child.once('exit', () => {
      this.#ended = true;
    });
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.#ended) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exit;
  }

  /** Resident memory in MB, and CPU time in seconds. */
  async usage(): Promise<{ rssMb: number; cpuSeconds: number }> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    const stat = (await readFile(`/proc/${this.#child.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
    const ticks = Number(stat[11]) + Number(stat[12]);
    return { rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024, cpuSeconds: ticks / 100 };
  }
}

export function startSyncer(world: World, cluster: Cluster, identity = cluster.id): Process {
  return new Process(world.program, 'syncer', {
    'cluster-id': cluster.id,
    kubeconfig: cluster.plane.kubeconfig,
    'hub-kubeconfig': world.hub.plane.kubeconfig,
    identity,
    'log-level': 'error',
  });
}

export function startDns({ program }: World, cluster: Cluster, port: number): Process {
  return new Process(program, 'crossdns', {
    source: 'kubernetes',
    'cluster-id': cluster.id,
    kubeconfig: cluster.plane.kubeconfig,
    listen: `127.0.0.1:${port}`,
    zone: 'hyperos.local',
    'log-level': 'error',
  });
}

/** Of the services of the benchmark: 100 a namespace. */
export function placeOf(index: number): { readonly namespace: string; readonly name: string } {
  return { namespace: `bench-${Math.floor(index / 100)}`, name: `svc-${index}` };
}

const metadataOf = (index: number, slice: number) => {
  const { namespace, name } = placeOf(index);
  return { namespace, name: `${name}-${slice}`, labels: { 'kubernetes.io/service-name': name } };
};

/** As the endpoint controller writes it: ten endpoints, the first of them at `address`. */
export async function writeSlice(
  cluster: Cluster,
  index: number,
  slice: number,
  address: string,
): Promise<void> {
  await cluster.client.apply(
    endpointSlices,
    {
      metadata: metadataOf(index, slice),
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: Array.from({ length: 10 }, (_, i) => ({
        addresses: [i === 0 ? address : `10.${100 + slice}.${index >> 4}.${((index & 15) << 4) + i}`],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${i}`,
        zone: `zone-${i % 3}`,
        targetRef: { kind: 'Pod', namespace: placeOf(index).namespace, name: `svc-${index}-${i}` },
      })),
    },
    { fieldManager: 'bench', force: true },
  );
}

/** Exports the services from one number to below another; those below `twofold` have two slices, the others one. */
export async function exportServices(
  { cluster1, cluster2 }: World,
  { from, to, twofold }: { readonly from: number; readonly to: number; readonly twofold: number },
): Promise<void> {
  const indexes = Array.from({ length: to - from }, (_, i) => from + i);
  for (const name of new Set(indexes.map(index => placeOf(index).namespace))) {
    for (const { client } of [cluster1, cluster2]) {
      await client.apply(namespaces, { metadata: { name } }, { fieldManager: 'bench' });
    }
  }
  const worker = async () => {
    for (let index = indexes.pop(); index !== undefined; index = indexes.pop()) {
      const metadata = placeOf(index);
      await cluster1.client.create(services, { metadata, spec: { ports: [{ name: 'http', port: 80 }] } });
      await writeSlice(cluster1, index, 0, firstAddress(index));
      if (index < twofold) await writeSlice(cluster1, index, 1, `10.2.${index >> 8}.${index & 255}`);
      await cluster1.client.create(serviceExports, { metadata });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** What a service has before anything changes. */
export function firstAddress(index: number): string {
  return `10.1.${index >> 8}.${index & 255}`;
}

/** Waits until every export says that it is exported, and every import that it is ready: nothing is under way then. */
export async function untilSettled({ cluster1, cluster2 }: World, count: number): Promise<void> {
  const isReady = (object: KubeObject) => {
    const { conditions = [] } = (object.status ?? {}) as { conditions?: { type: string; status: string }[] };
    return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  };
  for (const [{ client, id }, resource] of [
    [cluster1, serviceExports],
    [cluster1, serviceImports],
    [cluster2, serviceImports],
  ] as const) {
    await until(
      async () => {
        let ready = 0;
        for await (const page of client.listPages(resource)) ready += page.items.filter(isReady).length;
        return ready >= count;
      },
      { what: `${count} ${resource.plural} of ${id} being ready`, timeout: 300_000, interval: 500 },
    );
  }
}
