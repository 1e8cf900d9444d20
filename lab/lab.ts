/**
 * The running lab, for tests and programs: where its clusters are, and how its parts are broken and mended.
 *
 * All functions work on the lab of this checkout, and reject where it is not running.
 */
import { run } from './command.ts';
import { killClusterApiServer, nodeReady, startClusterApiServer } from './lab-cluster.ts';
import { applyNetwork, removeNamespaces } from './network.ts';
import { fabric, nodeNamespace, nodePorts, planNetwork } from './network-plan.ts';
import { startNode as bootNode, commandInNode, killNode } from './node.ts';
import { ensureNodeImages } from './node-image-store.ts';
import { runningTopology } from './registry.ts';
import { type ClusterSpec, clusterNamed, type NodeSpec, nodeNamed } from './topology.ts';

export { kubeconfigPath } from './paths.ts';

/** The clusters that run, with their nodes and addresses. */
export async function clusters(): Promise<readonly ClusterSpec[]> {
  return (await runningTopology()).clusters;
}

/** Ends a node as a power cut would: its processes die at once, and it answers nothing, not even by a reset. */
export async function stopNode(name: string): Promise<void> {
  const node = nodeNamed(await runningTopology(), name);
  // The cables first: a dying process must not get to say goodbye.
  for (const port of nodePorts(node)) await run('ip', ['-n', fabric, 'link', 'set', port, 'down']);
  await killNode(node);
}

/** Boots a node that was stopped, with its disk as it was, and waits until it is ready. */
export async function startNode(name: string, signal?: AbortSignal): Promise<void> {
  const topology = await runningTopology();
  const node = nodeNamed(topology, name);
  await killNode(node);
  // A boot begins without devices, rules and routes of the last one. The fabric's ports go first, and at once:
  // with the namespace they would go some time later.
  for (const port of nodePorts(node)) await run('ip', ['-n', fabric, 'link', 'delete', port]).catch(() => {});
  await removeNamespaces([nodeNamespace(node)]);
  await applyNetwork(planNetwork(topology));
  const cluster = clusterNamed(topology, node.cluster);
  const booted = await bootNode(cluster, node, await ensureNodeImages({ signal }));
  await nodeReady(cluster, node, booted, signal);
}

/** Ends a cluster's API server at once; its etcd, controllers and nodes go on. */
export async function killApiServer(cluster: string): Promise<void> {
  await killClusterApiServer(clusterNamed(await runningTopology(), cluster));
}

/** Starts a cluster's API server again and waits until it is ready. */
export async function startApiServer(cluster: string, signal?: AbortSignal): Promise<void> {
  await startClusterApiServer(clusterNamed(await runningTopology(), cluster), signal);
}

/** Runs a command in a node, as root, and returns its standard output. */
export async function runInNode(
  name: string,
  command: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  const inside = await commandInNode(nodeNamed(await runningTopology(), name), command);
  return run(inside.command, inside.args, signal ? { signal } : {});
}

export type { ClusterSpec, NodeSpec };
