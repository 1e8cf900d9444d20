import { join } from 'node:path';
import { controlPlaneDaemons } from './lab-cluster.ts';
import { nodeLog, stateDirectory } from './paths.ts';
import type { ClusterSpec } from './topology.ts';

const nodePrograms = ['containerd', 'kubelet', 'kube-proxy'];

/** The files that a component of a cluster writes its log to. @throws Error that lists the components. */
export function logFiles(cluster: ClusterSpec, component: string): string[] {
  const daemons = controlPlaneDaemons(cluster);
  const daemon = daemons.find(({ name }) => name === component);
  if (daemon !== undefined) return [daemon.logFile];
  if (nodePrograms.includes(component)) return cluster.nodes.map(node => nodeLog(node, component));
  if (component === 'boot')
    return cluster.nodes.map(({ name }) => join(stateDirectory, 'nodes', `${name}.boot.log`));
  const names = [...daemons.map(({ name }) => name), ...nodePrograms, 'boot'];
  throw new Error(
    `Cannot show the log as the component must be one of ${names.join(', ')}: current value is ${JSON.stringify(component)}`,
  );
}

/** Arguments for tail(1). */
export function showLogs(
  cluster: ClusterSpec,
  component: string,
  { follow = false, lines }: { follow?: boolean; lines: string },
): string[] {
  if (!/^\d+$/.test(lines)) {
    throw new Error(
      `Cannot show the log as --lines must be a number: current value is ${JSON.stringify(lines)}`,
    );
  }
  return ['-n', lines, ...(follow ? ['-F'] : []), ...logFiles(cluster, component)];
}
