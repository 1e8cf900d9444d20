import { readlink, rm, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { run } from '../lab/command.ts';
import { checkout, toolDirectory, toolPath } from '../lab/tools.ts';
import type { Cluster } from './cluster.ts';

/** Puts `kubectl nauti` beside the lab's kubectl, which finds it as a plugin on its PATH. */
export async function linkPlugin(): Promise<void> {
  const link = join(toolDirectory, 'kubectl-nauti');
  const target = join(checkout, 'bin', 'kubectl-nauti.js');
  if ((await readlink(link).catch(() => undefined)) === target) return;
  await rm(link, { force: true });
  await symlink(target, link);
}

/** `kubectl nauti token create`, on the hub. The token is in no argument and in no log. */
export async function createJoinToken(hub: Cluster, id: string): Promise<string> {
  await linkPlugin();
  const output = await run(toolPath('kubectl'), ['nauti', 'token', 'create', id, '--output', 'token'], {
    env: { KUBECONFIG: hub.kubeconfig, PATH: [toolDirectory, process.env.PATH].join(delimiter) },
    signal: hub.signal,
  });
  return output.trim();
}
