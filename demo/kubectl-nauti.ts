import { delimiter, join } from 'node:path';
import { run } from '../lab/command.ts';
import { checkout, linkTool, toolDirectory, toolPath } from '../lab/tools.ts';
import type { Cluster } from './cluster.ts';

/** What `kubectl nauti …` prints in a cluster. It is in no log, as it may be a token. */
export async function kubectlNauti(cluster: Cluster, args: readonly string[]): Promise<string> {
  // Beside the lab's kubectl, which finds it as a plugin on its PATH.
  await linkTool(join(checkout, 'bin', 'kubectl-nauti.js'), join(toolDirectory, 'kubectl-nauti'));
  return run(toolPath('kubectl'), ['nauti', ...args], {
    env: { KUBECONFIG: cluster.kubeconfig, PATH: [toolDirectory, process.env.PATH].join(delimiter) },
    signal: cluster.signal,
  });
}
