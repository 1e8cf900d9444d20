/** A cluster of the lab: its control plane, and what makes it whole once its API answers. */
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { apiServerReady, getObject } from './api-request.ts';
import { killCgroup } from './cgroups.ts';
import { clusterDnsObjects } from './cluster-dns.ts';
import { lastLines, run } from './command.ts';
import {
  apiServer,
  type ControlPlaneSpec,
  etcd,
  followers,
  kubeconfigFile,
  type Program,
} from './control-plane-plan.ts';
import { writeCredentials } from './credentials.ts';
import { type Daemon, describeLog, isRunning, startDaemon } from './daemon.ts';
import { controlPlaneNamespace } from './network-plan.ts';
import { nodeObject } from './node-plan.ts';
import { isReady } from './node-state.ts';
import { clusterDirectory, kubeconfigPath, nodeLog } from './paths.ts';
import { toolDirectory, toolPath } from './tools.ts';
import type { ClusterSpec, NodeSpec } from './topology.ts';
import { until } from './until.ts';

export function controlPlaneSpec(cluster: ClusterSpec): ControlPlaneSpec {
  return {
    cluster: cluster.name,
    directory: clusterDirectory(cluster.name),
    tools: toolDirectory,
    address: cluster.address,
    etcdAddress: '127.0.0.1',
    serviceCidr: cluster.serviceCidr,
    controllerManager: true,
    scheduler: true,
  };
}

/** A control plane's programs, in the order in which they start. */
export function controlPlaneDaemons(cluster: ClusterSpec): Daemon[] {
  const spec = controlPlaneSpec(cluster);
  return [etcd(spec), apiServer(spec), ...followers(spec)].map(program => daemonOf(cluster, program));
}

function daemonOf(cluster: ClusterSpec, program: Program): Daemon {
  return {
    ...program,
    cgroup: `${cluster.name}/${program.name}`,
    namespace: controlPlaneNamespace(cluster),
    logFile: join(clusterDirectory(cluster.name), `${program.name}.log`),
  };
}

/** Makes the credentials, which nodes need before anything runs, and the cluster's kubeconfig. */
export async function prepareCluster(cluster: ClusterSpec): Promise<void> {
  const spec = controlPlaneSpec(cluster);
  await writeCredentials(spec);
  await mkdir(dirname(kubeconfigPath(cluster.name)), { recursive: true });
  await copyFile(kubeconfigFile(spec, 'admin'), kubeconfigPath(cluster.name));
}

/** Starts what does not run of a control plane, and waits until its API is ready. */
export async function startClusterControlPlane(cluster: ClusterSpec, signal?: AbortSignal): Promise<void> {
  const [store, api, ...rest] = controlPlaneDaemons(cluster);
  if (store === undefined || api === undefined)
    throw new Error('unreachable: a control plane has a store and an API');
  await startDaemon(store);
  await startClusterApiServer(cluster, signal);
  for (const daemon of rest) await startDaemon(daemon);
}

/** Starts the API server unless it runs, and waits until it is ready. */
export async function startClusterApiServer(cluster: ClusterSpec, signal?: AbortSignal): Promise<void> {
  const daemon = daemonOf(cluster, apiServer(controlPlaneSpec(cluster)));
  await startDaemon(daemon);
  await until(
    async () => {
      if (!(await isRunning(daemon))) {
        throw new Error(`Cannot start the API server of ${cluster.name}; ${await describeLog(daemon)}`);
      }
      return apiServerReady(controlPlaneSpec(cluster), signal);
    },
    {
      what: `the API server of ${cluster.name} getting ready`,
      timeout: 180_000,
      signal,
      detail: () => describeLog(daemon),
    },
  );
}

/** Ends the API server at once, as a crash would. */
export async function killClusterApiServer(cluster: ClusterSpec): Promise<void> {
  await killCgroup(daemonOf(cluster, apiServer(controlPlaneSpec(cluster))).cgroup);
}

/** Makes the objects that a cluster begins with: its nodes, with their pod CIDRs, and its DNS. */
export async function applyClusterObjects(cluster: ClusterSpec, signal?: AbortSignal): Promise<void> {
  const dns = await kubectl(
    cluster,
    ['get', 'deployment', '-n', 'kube-system', '-o', 'name'],
    options(signal),
  );
  // A DNS that is there may have been configured since; its Deployment was the last that was made of it.
  const dnsObjects = dns.includes('deployment.apps/coredns') ? [] : clusterDnsObjects(cluster);
  const list = { apiVersion: 'v1', kind: 'List', items: [...cluster.nodes.map(nodeObject), ...dnsObjects] };
  await kubectl(
    cluster,
    ['apply', '--server-side', '--force-conflicts', '--field-manager=nauti-lab', '-f', '-'],
    {
      input: JSON.stringify(list),
      ...options(signal),
    },
  );
}

/**
 * Waits until all nodes of a cluster are ready for pods and Services, and its DNS answers.
 *
 * @param booted when nodes were booted, in milliseconds since the epoch, by name: what a node said before does not count.
 */
export async function clusterReady(
  cluster: ClusterSpec,
  booted: ReadonlyMap<string, number>,
  signal?: AbortSignal,
): Promise<void> {
  await Promise.all(cluster.nodes.map(node => nodeReady(cluster, node, booted.get(node.name), signal)));
  await kubectl(
    cluster,
    ['rollout', 'status', '-n', 'kube-system', 'deployment/coredns', '--timeout=180s'],
    options(signal),
  ).catch(async cause => {
    signal?.throwIfAborted();
    const pods = await kubectl(cluster, ['get', 'pods', '-n', 'kube-system', '-o', 'wide']);
    throw new Error(`Cannot start the DNS of ${cluster.name}: ${lastLines(String(cause))}\n${pods}`, {
      cause,
    });
  });
}

/** Waits until a node takes pods and routes their packets to Services. */
export async function nodeReady(
  cluster: ClusterSpec,
  node: NodeSpec,
  booted?: number,
  signal?: AbortSignal,
): Promise<void> {
  const spec = controlPlaneSpec(cluster);
  const log = (program: string) => describeLog({ name: program, logFile: nodeLog(node, program) });
  const get = (path: string) => getObject(spec, `${path}/${node.name}`, signal);
  await until(
    async () =>
      isReady(
        await get('/api/v1/nodes'),
        await get('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'),
        booted,
      ),
    {
      what: `the node ${node.name} getting ready`,
      ...{ timeout: 180_000, interval: 200, signal },
      detail: async () => `${await log('kubelet')}\n${await log('containerd')}`,
    },
  );
  await until(() => proxyHealthy(node, signal), {
    what: `kube-proxy on ${node.name} getting ready`,
    ...{ timeout: 120_000, signal, detail: () => log('kube-proxy') },
  });
}

async function proxyHealthy({ address }: NodeSpec, signal: AbortSignal | undefined): Promise<boolean> {
  const limits = [AbortSignal.timeout(2_000), ...(signal ? [signal] : [])];
  const response = await fetch(`http://${address}:10256/healthz`, { signal: AbortSignal.any(limits) }).catch(
    () => undefined,
  );
  await response?.body?.cancel();
  return response?.ok === true;
}

function options(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

/** Runs kubectl against a cluster and returns what it prints. */
export function kubectl(
  cluster: Pick<ClusterSpec, 'name'>,
  args: readonly string[],
  options: { input?: string; signal?: AbortSignal } = {},
): Promise<string> {
  return run(toolPath('kubectl'), ['--kubeconfig', kubeconfigPath(cluster.name), ...args], options);
}
