import { daemonSets, deployments, type Resource, statefulSets } from '../api/resource.ts';
import { kubeconfigAccess } from '../kube/access.ts';
import { KubeClient, KubeError } from '../kube/client.ts';
import type { CommandResult } from '../lab/command.ts';
import { kubeconfigPath } from '../lab/paths.ts';
import { toolPath } from '../lab/tools.ts';
import { until } from '../lab/until.ts';
import type { Journal } from './journal.ts';
import { isReady, type PodFields, whyUnready } from './unready.ts';
import { readWorkload, type Workload } from './workload.ts';

/** A cluster of the lab, as an administrator works with it: by kubectl and helm. */
export class Cluster {
  readonly name: string;
  readonly kubeconfig: string;
  readonly #journal: Journal;
  readonly #signal: AbortSignal;

  constructor(name: string, journal: Journal, signal: AbortSignal) {
    this.name = name;
    this.kubeconfig = kubeconfigPath(name);
    this.#journal = journal;
    this.#signal = signal;
  }

  get signal(): AbortSignal {
    return this.#signal;
  }

  kubectl(args: readonly string[], input?: string): Promise<string> {
    return this.#journal.run(toolPath('kubectl'), this.#withKubeconfig(args), this.#options(input));
  }

  tryKubectl(args: readonly string[]): Promise<CommandResult> {
    return this.#journal.tryRun(toolPath('kubectl'), this.#withKubeconfig(args), this.#options());
  }

  apply(manifest: string): Promise<string> {
    return this.kubectl(
      ['apply', '--server-side', '--force-conflicts', '--field-manager=nauti-demo', '-f', '-'],
      manifest,
    );
  }

  helm(args: readonly string[], input?: string): Promise<string> {
    return this.#journal.run(toolPath('helm'), this.#withKubeconfig(args), this.#options(input));
  }

  tryHelm(args: readonly string[]): Promise<CommandResult> {
    return this.#journal.tryRun(toolPath('helm'), this.#withKubeconfig(args), this.#options());
  }

  #withKubeconfig(args: readonly string[]): string[] {
    return ['--kubeconfig', this.kubeconfig, ...args];
  }

  #options(input?: string) {
    return { signal: this.#signal, ...(input !== undefined && { input }) };
  }

  /**
   * Waits until workloads have rolled out: all pods are new and ready, and no old one is left.
   *
   * @param names of Deployments, or such as `daemonset/NAME`.
   * @param onProgress pods that are ready, of all that are wanted.
   * @throws Error that says of each pod that is not ready why, and the end of its log.
   */
  async rolledOut(
    namespace: string,
    names: readonly string[],
    onProgress: (ready: number, wanted: number) => void = () => {},
  ): Promise<void> {
    // Not by kubectl: two started each time would keep a core from what is waited for.
    using client = new KubeClient(await kubeconfigAccess(this.kubeconfig));
    const read = async (words: string) => {
      const [name = '', kind = 'deployment'] = words.split('/').reverse();
      try {
        const object = await client.get(kindOf(kind), { namespace, name }, { signal: this.#signal });
        if (object === undefined) throw new Error(`Cannot wait for ${kind} ${name} as it must be there`);
        return readWorkload(object);
      } catch (error) {
        // An API server that is not there, or has too much to do, says nothing about the workload.
        if (error instanceof KubeError && (error.status < 400 || error.status >= 429)) return unknown;
        throw error;
      }
    };
    await until(
      async () => {
        const workloads = await Promise.all(names.map(read));
        const wanted = workloads.reduce((sum, workload) => sum + workload.wanted, 0);
        const ready = workloads.reduce((sum, workload) => sum + workload.ready, 0);
        onProgress(ready, wanted);
        return workloads.every(workload => workload.ready === workload.wanted);
      },
      {
        what: `${names.join(' and ')} of ${this.name} getting ready`,
        timeout: 300_000,
        interval: 300,
        signal: this.#signal,
        detail: () => this.#describeUnready(namespace),
      },
    );
  }

  async #describeUnready(namespace: string): Promise<string> {
    const text = await this.kubectl(['get', 'pods', '-n', namespace, '-o', 'json']);
    const { items } = JSON.parse(text) as { items: PodFields[] };
    const sentences = items
      .filter(pod => !isReady(pod))
      .map(async pod => {
        const { stdout } = await this.tryKubectl(['logs', '-n', namespace, pod.metadata.name, '--tail=3']);
        return whyUnready(pod, stdout);
      });
    return (await Promise.all(sentences)).join('\n');
  }
}

/** A workload that could not be read: nothing of it is ready. */
const unknown: Workload = { wanted: 1, ready: 0 };

function kindOf(word: string): Resource {
  const found = [deployments, statefulSets, daemonSets].find(({ kind }) => kind.toLowerCase() === word);
  if (found === undefined) throw new Error(`unreachable: ${word} is no kind of workload`);
  return found;
}
