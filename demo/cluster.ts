import type { CommandResult } from '../lab/command.ts';
import { kubeconfigPath } from '../lab/paths.ts';
import { toolPath } from '../lab/tools.ts';
import { until } from '../lab/until.ts';
import type { Journal } from './journal.ts';

export interface Workload {
  readonly name: string;
  readonly wanted: number;
  readonly ready: number;
}

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
   * Waits until Deployments have rolled out: all pods are new and ready, and no old one is left.
   *
   * @param onProgress pods that are ready, of all that are wanted.
   * @throws Error that says of each pod that is not ready why, and the end of its log.
   */
  async rolledOut(
    namespace: string,
    names: readonly string[],
    onProgress: (ready: number, wanted: number) => void = () => {},
  ): Promise<void> {
    await until(
      async () => {
        const workloads = await Promise.all(names.map(name => this.#workload(namespace, name)));
        const wanted = workloads.reduce((sum, workload) => sum + workload.wanted, 0);
        const ready = workloads.reduce((sum, workload) => sum + workload.ready, 0);
        onProgress(ready, wanted);
        return ready === wanted;
      },
      {
        what: `${names.join(' and ')} of ${this.name} getting ready`,
        timeout: 120_000,
        interval: 250,
        signal: this.#signal,
        detail: () => this.#describeUnready(namespace),
      },
    );
  }

  async #workload(namespace: string, name: string): Promise<Workload> {
    const text = await this.kubectl(['get', 'deployment', name, '-n', namespace, '-o', 'json']);
    const { metadata, spec, status } = JSON.parse(text) as DeploymentFields;
    const wanted = spec.replicas;
    const isSeen = status.observedGeneration === metadata.generation && (status.replicas ?? 0) === wanted;
    const ready = Math.min(status.updatedReplicas ?? 0, status.readyReplicas ?? 0);
    return { name, wanted, ready: isSeen ? ready : Math.min(ready, wanted - 1) };
  }

  async #describeUnready(namespace: string): Promise<string> {
    const pods = JSON.parse(await this.kubectl(['get', 'pods', '-n', namespace, '-o', 'json'])) as {
      items: PodFields[];
    };
    const unready = pods.items.filter(
      ({ status }) => !status.containerStatuses?.every(container => container.ready),
    );
    const sentences = unready.map(async ({ metadata, status }) => {
      const waiting = status.containerStatuses?.[0]?.state?.waiting;
      const scheduling = status.conditions?.find(
        condition => condition.status === 'False' && condition.message,
      );
      const { stdout } = await this.tryKubectl(['logs', '-n', namespace, metadata.name, '--tail=1']);
      const why = [waiting?.reason, waiting?.message ?? scheduling?.message, stdout.trim()].filter(Boolean);
      return `${metadata.name} is ${why.join(': ') || status.phase}`;
    });
    return (await Promise.all(sentences)).join('; ');
  }
}

/** What is read of a Deployment, as the API server defaults it. */
interface DeploymentFields {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
  };
}

interface PodFields {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly status: string; readonly message?: string }[];
    readonly containerStatuses?: readonly {
      readonly ready: boolean;
      readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
    }[];
  };
}
