import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CommandResult, tryRun } from '../../lab/command.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export type Cluster = 'hub' | 'cluster1' | 'cluster2';

/** Milliseconds; a kubectl that has not ended by then is ended. */
const timeLimit = 120_000;

function place(cluster: Cluster): { readonly program: string; readonly kubeconfig: string } {
  const program = `${root}.lab/bin/kubectl`;
  const kubeconfig = `${root}.lab/${cluster}.kubeconfig`;
  for (const path of [program, kubeconfig]) {
    if (!existsSync(path))
      throw new Error(`Cannot reach ${cluster} as the lab must be up ("npm run demo"): no ${path}`);
  }
  return { program, kubeconfig };
}

/**
 * Runs kubectl and says how it ended; `input` goes to its standard input.
 *
 * @throws where it did not end within two minutes.
 */
export async function tryKubectl(
  cluster: Cluster,
  words: readonly string[],
  input = '',
): Promise<CommandResult> {
  const { program, kubeconfig } = place(cluster);
  const signal = AbortSignal.timeout(timeLimit);
  try {
    return await tryRun(program, ['--kubeconfig', kubeconfig, ...words], { input, signal });
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new Error(`kubectl ${words.join(' ')} on ${cluster} did not end within ${timeLimit / 1000} s`, {
      cause,
    });
  }
}

/** Runs kubectl; @throws with its output where it fails. */
export async function kubectl(cluster: Cluster, words: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await tryKubectl(cluster, words, input);
  if (code !== 0)
    throw new Error(`kubectl ${words.join(' ')} on ${cluster} ended with ${code}: ${stderr || stdout}`);
  return stdout;
}

export function apply(cluster: Cluster, manifest: string): Promise<string> {
  return kubectl(cluster, ['apply', '-f', '-'], manifest);
}

export async function readJson(cluster: Cluster, words: readonly string[]): Promise<unknown> {
  return JSON.parse(await kubectl(cluster, ['get', '-o', 'json', ...words]));
}

/** Starts kubectl in the background; the caller ends it. */
export function startKubectl(cluster: Cluster, words: readonly string[]): ChildProcess {
  const { program, kubeconfig } = place(cluster);
  return spawn(program, ['--kubeconfig', kubeconfig, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
}
