/** A node of the lab: its root file system, its start, its end, and the way into it. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Authority } from './certificates.ts';
import { killCgroup, processesIn, removeCgroup, rootCgroup } from './cgroups.ts';
import { run } from './command.ts';
import { apiServerPort } from './control-plane-plan.ts';
import { type Daemon, isRunning, startDaemon } from './daemon.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { nodeNamespace } from './network-plan.ts';
import { nodeCgroup, nodeFiles, nodeTools } from './node-plan.ts';
import { clusterDirectory, nodeRoot, stateDirectory } from './paths.ts';
import { toolPath } from './tools.ts';
import type { ClusterSpec, NodeSpec } from './topology.ts';

const scriptDirectory = fileURLToPath(new URL('.', import.meta.url));

function bootDaemon(node: NodeSpec): Daemon {
  return {
    name: node.name,
    cgroup: `${nodeCgroup(node)}/system`,
    namespace: nodeNamespace(node),
    logFile: join(stateDirectory, 'nodes', `${node.name}.boot.log`),
    command: 'unshare',
    args: [
      ...['--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child'],
      ...['sh', join(scriptDirectory, 'node-boot.sh'), node.name, nodeRoot(node.name), toolBinDirectory()],
    ],
  };
}

/** A directory with nothing but the programs of a node. */
function toolBinDirectory(): string {
  return join(stateDirectory, 'node-tools');
}

export interface NodeImages {
  /** Fills an empty containerd directory with the lab's images. */
  fill(containerdDirectory: string): Promise<void>;
}

/**
 * Makes a node's files and starts it, unless it runs. Its network must be there.
 *
 * @returns when it was booted, in milliseconds since the epoch; undefined where it was running.
 */
export async function startNode(
  cluster: ClusterSpec,
  node: NodeSpec,
  images: NodeImages,
): Promise<number | undefined> {
  const daemon = bootDaemon(node);
  if (await isRunning(daemon)) return undefined;
  // A boot begins without the cgroups of the last one; the kubelet would look for their containers.
  await removeCgroup(nodeCgroup(node));
  await prepareRoot(cluster, node, images);
  await linkTools();
  const booted = Date.now();
  await startDaemon(daemon);
  return booted;
}

/** Ends a node as a power cut would: all of its processes at once. Its network and its disk stay. */
export async function killNode(node: NodeSpec): Promise<void> {
  await killCgroup(nodeCgroup(node));
}

export function isNodeRunning(node: NodeSpec): Promise<boolean> {
  return isRunning(bootDaemon(node));
}

async function linkTools(): Promise<void> {
  await mkdir(toolBinDirectory(), { recursive: true });
  for (const tool of nodeTools) {
    const path = join(toolBinDirectory(), tool);
    if (!existsSync(path)) await symlink(toolPath(tool), path).catch(ignoreExisting);
  }
}

/** Several nodes start at once. */
function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function prepareRoot(cluster: ClusterSpec, node: NodeSpec, images: NodeImages): Promise<void> {
  const root = nodeRoot(node.name);
  const files = nodeFiles({ node, cluster, cgroupRoot: `/${rootCgroup}/${nodeCgroup(node)}` });
  for (const [path, text] of Object.entries(files)) await put(join(root, path), text);
  await put(join(root, 'etc/nauti-lab/address'), node.address);
  await copyFile(join(scriptDirectory, 'node-init.sh'), join(root, 'etc/nauti-lab/init.sh'));
  await writeNodeCredentials(cluster, node);
  const containerd = join(root, 'var/lib/containerd');
  if (existsSync(containerd)) return;
  // Filled beside its place: an interrupted copy is never taken for a whole one.
  const partial = `${containerd}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(dirname(partial), { recursive: true });
  await images.fill(partial);
  await rename(partial, containerd);
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

async function writeNodeCredentials(cluster: ClusterSpec, node: NodeSpec): Promise<void> {
  const authority = await Authority.open(join(clusterDirectory(cluster.name), 'pki'), `${cluster.name}-ca`);
  const directory = join(nodeRoot(node.name), 'etc/kubernetes');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const kubelet = await authority.issue(`kubelet-${node.name}`, {
    commonName: `system:node:${node.name}`,
    organizations: ['system:nodes'],
    hosts: [node.name, node.address],
  });
  const proxy = await authority.issue(`kube-proxy-${node.name}`, { commonName: 'system:kube-proxy' });
  await copyFile(authority.certificate, join(directory, 'ca.crt'));
  await copyFile(kubelet.certificate, join(directory, 'kubelet.crt'));
  await copyFile(kubelet.key, join(directory, 'kubelet.key'));
  const server = `https://${cluster.address}:${apiServerPort}`;
  for (const [user, keyPair] of [
    ['kubelet', kubelet],
    ['kube-proxy', proxy],
  ] as const) {
    await writeKubeconfig(join(directory, `${user}.kubeconfig`), {
      ...{ cluster: cluster.name, server, user, caFile: authority.certificate, keyPair },
    });
  }
}

/** Process id, as the machine sees it, of a node's init; undefined where the node is not running. */
export async function initProcess(node: NodeSpec): Promise<number | undefined> {
  for (const pid of await processesIn(bootDaemon(node).cgroup)) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    if (isInit(status)) return pid;
  }
  return undefined;
}

/** Whether /proc/PID/status is that of process 1 of a pid namespace below the reader's. */
export function isInit(status: string): boolean {
  return /^NSpid:\t\d+\t1$/m.test(status);
}

/**
 * The command that runs another one in a node, in all of its namespaces.
 *
 * @throws Error where the node is not running.
 */
export async function commandInNode(
  node: NodeSpec,
  command: readonly string[],
): Promise<{ command: string; args: string[] }> {
  const pid = await initProcess(node);
  if (pid === undefined) throw new Error(`Cannot enter the node ${node.name} as it is not running`);
  return {
    command: 'nsenter',
    args: [
      ...['-t', String(pid), '--mount', '--uts', '--ipc', '--net', '--pid', 'env'],
      ...['PATH=/opt/nauti-lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...command],
    ],
  };
}

/** The socket of a node's containerd, as the machine reaches it. */
export async function containerdSocket(node: NodeSpec): Promise<string> {
  const pid = await initProcess(node);
  if (pid === undefined)
    throw new Error(`Cannot reach containerd on ${node.name} as the node is not running`);
  return `/proc/${pid}/root/run/containerd/containerd.sock`;
}

/** Runs a command in a node and returns its standard output. */
export async function runInNode(node: NodeSpec, command: readonly string[]): Promise<string> {
  const inside = await commandInNode(node, command);
  return run(inside.command, inside.args);
}
