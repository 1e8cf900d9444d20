/** Where the lab keeps what belongs to a checkout. */
import { join } from 'node:path';
import { checkout } from './tools.ts';

/** All that a running lab writes; `down` removes it. */
export const stateDirectory = join(checkout, '.lab', 'state');

export function kubeconfigPath(cluster: string): string {
  return join(checkout, '.lab', `${cluster}.kubeconfig`);
}

/** Certificates, data and logs of a cluster's control plane. */
export function clusterDirectory(cluster: string): string {
  return join(stateDirectory, 'clusters', cluster);
}

/** The root file system of a node. */
export function nodeRoot(node: string): string {
  return join(stateDirectory, 'nodes', node);
}

/** The log of one of a node's programs: containerd, kubelet or kube-proxy. */
export function nodeLog({ name }: { readonly name: string }, program: string): string {
  return join(nodeRoot(name), 'var', 'log', `${program}.log`);
}
