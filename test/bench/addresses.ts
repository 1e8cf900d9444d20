/**
 * `node test/bench/addresses.ts [PODS…]`: pods created at a real API server → annotated, with a port in OVN (real
 * databases and ovn-northd): rate, latency, CPU, memory; then a restart of the controller with all of them there.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import type { KubeObject } from '../../api/meta.ts';
import { namespaces, pods } from '../../api/resource.ts';
import { kubeconfigAccess } from '../../kube/access.ts';
import { ObjectCache } from '../../kube/cache.ts';
import { KubeClient } from '../../kube/client.ts';
import { startControlPlane } from '../../lab/control-plane.ts';
import { until } from '../../lab/until.ts';
import { formatEndpoint } from '../../ovsdb-client/endpoint.ts';
import { silentLogger } from '../../process/log.ts';
import { installCrds } from '../integration/install-crds.ts';
import { ControllerProcess } from '../integration/ovn-controller/controller-process.ts';
import { findFaults } from '../integration/ovn-controller/find-faults.ts';
import { type Ovn, ovnVersions, startOvn } from '../integration/ovn-controller/ovn.ts';
import { machineCpuSeconds, processesWith, usageOf } from './addresses/process-usage.ts';

const counts = process.argv.slice(2).map(Number);
/** Pods that are created at once. */
const creators = 32;

const write = (line: string) => void process.stdout.write(`${line}\n`);
const row = (...cells: readonly (string | number)[]) => write(`| ${cells.join(' | ')} |`);

const directory = await mkdtemp(join(tmpdir(), 'nauti-bench-addresses-'));
const plane = await startControlPlane({ directory });
const ovn = await startOvn({ northd: true });
const client = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
const flags = [
  ...['--kubeconfig', plane.kubeconfig, '--ovn-nb', formatEndpoint(ovn.northbound.endpoint)],
  ...['--cidr', '10.113.0.0/16', '--global-cidr', '10.112.0.0/12'],
];
let controller = await startController();
try {
  await client.create(namespaces, { metadata: { name: 'nauti-system' } });
  await installCrds(client);
  write(
    `${await ovnVersions()}, Kubernetes with etcd, Node ${process.version}; ${creators} pods created at once\n`,
  );
  row(
    'pods',
    'created/s',
    'annotated/s',
    'latency p50',
    'p99',
    'max',
    'CPU a pod: controller',
    'API server',
    'etcd',
    'OVN',
    'bench',
    'other programs',
    'RSS',
  );
  row(...Array<string>(12).fill('---'));
  await controller.leading();
  for (const count of counts.length > 0 ? counts : [1_000, 5_000, 10_000]) {
    await measure(count);
    if (count === (counts.at(-1) ?? 10_000)) await measureRestart(count);
    await empty(spacesOf(count));
  }
  await measureAlone(100);
} finally {
  await controller.kill();
  client.close();
  await ovn[Symbol.asyncDispose]();
  await plane.stop();
  await rm(directory, { recursive: true, force: true });
}

function startController(): Promise<ControllerProcess> {
  return ControllerProcess.start([
    ...flags,
    '--address-quarantine',
    '1s',
    // The same again: a container that is restarted keeps the name of its pod, and so its lease.
    '--identity',
    'bench',
  ]);
}

async function cpuByProgram(): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  const own = process.cpuUsage();
  sums.set('bench', (own.user + own.system) / 1e6);
  const all = [
    ...(await processesWith(directory)).filter(({ pid }) => pid !== controller.pid),
    ...(await processesWith(ovn.directory))
      .filter(({ pid }) => pid !== controller.pid)
      .map(({ pid }) => ({ pid, program: 'OVN' })),
    { pid: controller.pid, program: 'controller' },
  ];
  for (const { pid, program } of all) {
    const usage = await usageOf(pid).catch(() => undefined);
    if (usage !== undefined) sums.set(program, (sums.get(program) ?? 0) + usage.cpuSeconds);
  }
  const known = [...sums.values()].reduce((sum, seconds) => sum + seconds, 0);
  return sums.set('others', (await machineCpuSeconds()) - known);
}

/** When pods were first seen with an allocation, from now on. */
async function watchAnnotations(): Promise<AsyncDisposable & { readonly annotatedAt: Map<string, number> }> {
  const annotatedAt = new Map<string, number>();
  const stop = new AbortController();
  const watched = new ObjectCache<boolean>({
    client,
    resource: pods,
    project: pod => pod.metadata.annotations?.['nauti.io/allocated'] === 'true',
    unchanged: (before, after) => before === after,
    log: silentLogger(),
  });
  watched.subscribe(({ key, after }) => {
    if (after && !annotatedAt.has(key)) annotatedAt.set(key, performance.now());
  });
  const following = watched.run(stop.signal);
  await watched.synced();
  return {
    annotatedAt,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
    },
  };
}

function latenciesOf(from: ReadonlyMap<string, number>, to: ReadonlyMap<string, number>): number[] {
  return [...to].map(([key, at]) => at - (from.get(key) ?? 0)).sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): string {
  const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return `${(sorted[index] ?? 0).toFixed(0)} ms`;
}

/** Pods that come one at a time, five a second. */
async function measureAlone(count: number): Promise<void> {
  const createdAt = new Map<string, number>();
  await using watch = await watchAnnotations();
  const namespace = 'bench-alone';
  await client.create(namespaces, { metadata: { name: namespace } });
  for (let i = 0; i < count; i++) {
    createdAt.set(`${namespace}/pod-${i}`, performance.now());
    await client.create(pods, podOf(namespace, `pod-${i}`));
    await sleep(200);
  }
  await until(() => watch.annotatedAt.size >= count, { what: 'all being annotated', timeout: 60_000 });
  const latencies = latenciesOf(createdAt, watch.annotatedAt);
  write(
    `\n${count} pods, five a second: annotated after ${quantile(latencies, 0.5)} (p50), ${quantile(latencies, 0.99)} (p99)`,
  );
  await empty([namespace]);
}

async function measure(count: number): Promise<void> {
  const createdAt = new Map<string, number>();
  await using watch = await watchAnnotations();
  const { annotatedAt } = watch;
  const spaces = spacesOf(count);
  for (const name of spaces) await client.create(namespaces, { metadata: { name } });
  const cpuBefore = await cpuByProgram();
  const begin = performance.now();
  let next = 0;
  const create = async () => {
    while (next < count) {
      const i = next++;
      const namespace = spaces[i % spaces.length] ?? '';
      const name = `pod-${i}`;
      createdAt.set(`${namespace}/${name}`, performance.now());
      await client.create(pods, podOf(namespace, name));
    }
  };
  await Promise.all(Array.from({ length: creators }, create));
  const created = performance.now() - begin;
  await until(() => annotatedAt.size >= count, {
    what: 'all pods being annotated',
    timeout: 600_000,
    interval: 5,
  });
  const elapsed = performance.now() - begin;
  const cpuAfter = await cpuByProgram();
  const latencies = latenciesOf(createdAt, annotatedAt);
  const at = (share: number) => quantile(latencies, share);
  const cpu = (name: string) => (cpuAfter.get(name) ?? 0) - (cpuBefore.get(name) ?? 0);
  const share = (name: string) => `${((cpu(name) / count) * 1000).toFixed(2)} ms`;
  const usage = await usageOf(controller.pid);
  row(
    count,
    (count / (created / 1000)).toFixed(0),
    (count / (elapsed / 1000)).toFixed(0),
    at(0.5),
    at(0.99),
    at(1),
    ...['controller', 'kube-apiserver', 'etcd', 'OVN', 'bench'].map(share),
    // Of the machine's time meanwhile: what made it slower than it could be.
    `${((cpu('others') / ((elapsed / 1000) * availableParallelism())) * 100).toFixed(0)} %`,
    `${(usage.rssBytes / 2 ** 20).toFixed(0)} MB`,
  );
  await check(count);
}

function spacesOf(count: number): readonly string[] {
  return Array.from({ length: 10 }, (_, i) => `bench-${count}-${i}`);
}

function podOf(namespace: string, name: string): KubeObject {
  return {
    metadata: { namespace, name, labels: { app: name.split('-')[0] ?? '' } },
    spec: {
      containers: [
        { name: 'main', image: 'registry.example/app:1', ports: [{ name: 'http', containerPort: 8080 }] },
      ],
      nodeName: 'nowhere',
    },
  };
}

async function portsIn(
  of: Ovn,
): Promise<readonly { readonly name: string; readonly addresses: readonly string[] }[]> {
  const transaction = new Transaction<OVNNorthboundDatabase>();
  const ports = transaction.select('Logical_Switch_Port', [], ['name', 'addresses']);
  return (await of.nb.transact(transaction)).rows(ports);
}

async function allPods(): Promise<Map<string, KubeObject>> {
  const all = new Map<string, KubeObject>();
  for await (const { items } of client.listPages(pods)) {
    for (const item of items) all.set(`${item.metadata.namespace}/${item.metadata.name}`, item);
  }
  return all;
}

async function check(count: number): Promise<void> {
  const [found, ports] = [await allPods(), await portsIn(ovn)];
  const faults = findFaults(found, ports);
  if (found.size !== count || faults.length > 0) {
    throw new Error(`of ${found.size} pods: ${faults.length} faults: ${faults.slice(0, 5).join('; ')}`);
  }
}

/** Kills the controller, starts another, and waits until it has nothing left to do. */
async function measureRestart(count: number): Promise<void> {
  const fingerprint = async () =>
    JSON.stringify([
      [...(await allPods())].map(([key, { metadata }]) => [key, metadata.resourceVersion]).sort(),
      [...(await portsIn(ovn))].map(port => JSON.stringify(port)).sort(),
    ]);
  const before = await fingerprint();
  await controller.kill();
  const begin = performance.now();
  controller = await startController();
  await controller.leading();
  const leading = performance.now() - begin;
  await until(async () => (await controller.metric('nauti_ovn_controller_queue_depth')) === 0, {
    what: 'the controller being idle',
    timeout: 60_000,
    interval: 5,
  });
  const idle = performance.now() - begin;
  const usage = await usageOf(controller.pid);
  const changes = await controller.metric('nauti_ovn_controller_port_changes_total');
  const writes = await controller.metric('nauti_ovn_controller_annotation_writes_total');
  const same = (await fingerprint()) === before;
  write(
    `\nRestart with ${count} pods: leading after ${(leading / 1000).toFixed(2)} s, idle after ${(idle / 1000).toFixed(2)} s, ${usage.cpuSeconds.toFixed(1)} s of CPU, ${(usage.rssBytes / 2 ** 20).toFixed(0)} MB; ${changes} ports and ${writes} annotations written; pods and ports are ${same ? 'the same' : 'NOT THE SAME'}`,
  );
}

async function empty(spaces: readonly string[]): Promise<void> {
  for (const namespace of spaces) {
    await client.request({
      method: 'DELETE',
      path: `/api/v1/namespaces/${namespace}/pods`,
      body: { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 },
    });
  }
  await until(async () => (await portsIn(ovn)).length === 0, { what: 'all ports going', timeout: 120_000 });
}
