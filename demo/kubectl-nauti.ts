import { readlink, rm, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { run } from '../lab/command.ts';
import { checkout, toolDirectory, toolPath } from '../lab/tools.ts';
import type { Cluster } from './cluster.ts';

/** Puts `kubectl nauti` beside the lab's kubectl, which finds it as a plugin on its PATH. */
async function linkPlugin(): Promise<void> {
  const link = join(toolDirectory, 'kubectl-nauti');
  const target = join(checkout, 'bin', 'kubectl-nauti.js');
  if ((await readlink(link).catch(() => undefined)) === target) return;
  await rm(link, { force: true });
  await symlink(target, link);
}

/** What `kubectl nauti …` prints in a cluster. It is in no log, as it may be a token. */
export async function kubectlNauti(cluster: Cluster, args: readonly string[]): Promise<string> {
  await linkPlugin();
  return run(toolPath('kubectl'), ['nauti', ...args], {
    env: { KUBECONFIG: cluster.kubeconfig, PATH: [toolDirectory, process.env.PATH].join(delimiter) },
    signal: cluster.signal,
  });
}
