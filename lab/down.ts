/** Takes the machine's lab away, whoever started it and however it ended, and proves that nothing is left. */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findCgroups, processesIn, removeCgroup } from './cgroups.ts';
import { run, tryRun } from './command.ts';
import { findNamespaces, machineDeviceGone, namespaceDirectory, removeNamespaces } from './network.ts';
import {
  controlPlaneNamespace,
  fabric,
  machineDevice,
  natNamespace,
  nodeNamespace,
  nodePorts,
} from './network-plan.ts';
import { clusterDirectory, kubeconfigPath, nodeRoot } from './paths.ts';
import { type LabRecord, readLabState, registryDirectory, runningTopology, writeRecord } from './registry.ts';
import { type ClusterSpec, clusterNamed, clusterNames } from './topology.ts';

/**
 * Ends all processes of the lab and removes its cgroups, namespaces, devices, mounts and files.
 *
 * All but the files is found by what the kernel knows, so that a lost or wrong record changes nothing.
 *
 * @param record where the files are; without it none are removed.
 * @throws Error that lists what is left.
 */
export async function removeLab(record: LabRecord | undefined, signal?: AbortSignal): Promise<void> {
  await removeCgroup('', signal);
  await removeNamespaces(await findNamespaces());
  await machineDeviceGone(signal);
  if (record !== undefined) await removeFiles(record);
  await removeNamespaceDirectory();
  await rm(registryDirectory, { recursive: true, force: true });
  const left = await findLeftovers(record);
  if (left.length > 0) throw new Error(`Cannot remove the lab wholly, still there: ${left.join('; ')}`);
}

/**
 * Ends some clusters of this checkout's lab, without a goodbye, and removes what they have; the others go on.
 *
 * @throws Error where the lab does not run, has no such cluster, or would have none left.
 */
export async function removeClusters(names: readonly string[], signal?: AbortSignal): Promise<void> {
  const topology = await runningTopology();
  const state = await readLabState();
  const gone = names.map(name => clusterNamed(topology, name));
  const left = topology.clusters.filter(cluster => !gone.includes(cluster));
  if (left.length === 0) throw new Error('Cannot end all clusters one by one: end the lab instead');
  await Promise.all(gone.map(cluster => removeCluster(cluster, signal)));
  if (state.kind === 'running') await writeRecord({ ...topology, clusters: left }, state.record.since);
}

async function removeCluster(cluster: ClusterSpec, signal: AbortSignal | undefined): Promise<void> {
  const { name, nodes } = cluster;
  // The cables first: a dying process must not get to say goodbye.
  for (const port of nodes.flatMap(nodePorts)) await tryRun('ip', ['-n', fabric, 'link', 'delete', port]);
  await Promise.all([name, ...nodes.map(node => node.name)].map(part => removeCgroup(part, signal)));
  const router = cluster.nat === undefined ? [] : [natNamespace(cluster)];
  await removeNamespaces([controlPlaneNamespace(cluster), ...nodes.map(nodeNamespace), ...router]);
  for (const path of [
    clusterDirectory(name),
    kubeconfigPath(name),
    ...nodes.map(node => nodeRoot(node.name)),
  ])
    await rm(path, { recursive: true, force: true });
}

/** What there is of a lab on this machine, in words. */
export async function findLeftovers(record: LabRecord | undefined): Promise<string[]> {
  const processes = await processesIn();
  const namespaces = await findNamespaces();
  const mounts = labMounts(await readFile('/proc/self/mountinfo', 'utf8'), record?.state);
  return [
    ...(processes.length > 0 ? [`processes ${processes.join(', ')}`] : []),
    ...namespaces.map(name => `network namespace ${name}`),
    ...(existsSync(`/sys/class/net/${machineDevice}`) ? [`device ${machineDevice}`] : []),
    ...mounts.map(path => `mount ${path}`),
    ...(await findCgroups()).map(path => `cgroup ${path}`),
    ...(record !== undefined && existsSync(record.state) ? [`directory ${record.state}`] : []),
  ];
}

/** Mount points of the lab in the machine's own mount namespace, deepest first. */
export function labMounts(mountinfo: string, state: string | undefined): string[] {
  const points = mountinfo.split('\n').flatMap(line => line.split(' ')[4] ?? []);
  return points
    .filter(
      point =>
        point.startsWith(`${namespaceDirectory}/nauti-`) ||
        (state !== undefined && (point === state || point.startsWith(`${state}/`))),
    )
    .reverse();
}

async function removeFiles({ checkout, state }: LabRecord): Promise<void> {
  // The path comes from a file: remove only what can be a lab's.
  if (state !== join(checkout, '.lab', 'state')) {
    throw new Error(
      `Cannot remove the lab's files as their directory must be .lab/state: current value is ${state}`,
    );
  }
  for (const point of labMounts(await readFile('/proc/self/mountinfo', 'utf8'), state)) {
    await run('umount', ['--lazy', point]);
  }
  await rm(state, { recursive: true, force: true });
  for (const cluster of clusterNames)
    await rm(join(checkout, '.lab', `${cluster}.kubeconfig`), { force: true });
}

/** ip(8) mounts this directory onto itself at the first namespace; after the last one nobody needs that. */
async function removeNamespaceDirectory(): Promise<void> {
  const names = await readdir(namespaceDirectory).catch(() => undefined);
  if (names === undefined || names.length > 0) return;
  await tryRun('umount', [namespaceDirectory]);
  await rmdir(namespaceDirectory).catch(() => {});
}
