import type { Registry } from 'prom-client';
import type { KubeObject } from '../api/meta.ts';
import { nodeAgentsAnnotation, nriModeLabel } from '../api/names.ts';
import { formatNodeAgents, type NodeAgents } from '../api/node-agents.ts';
import { pods } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';

/** The pods of the node agents, as the chart labels them. */
const agentSelector = 'app.kubernetes.io/part-of=nauti,app.kubernetes.io/component=nri';

/** Counts agents by what they show of themselves; what nobody knows counts as none. */
export function countAgents(modes: Iterable<string>): NodeAgents {
  const counts = { nri: 0, cri: 0, none: 0 };
  for (const mode of modes) counts[mode === 'nri' || mode === 'cri' ? mode : 'none']++;
  return counts;
}

/** What an agent's pod shows; undefined for one that has ended or is about to. */
export function modeOfAgent({ metadata, status }: KubeObject): string | undefined {
  const { phase } = (status ?? {}) as { readonly phase?: unknown };
  if (metadata.deletionTimestamp !== undefined || phase === 'Failed' || phase === 'Succeeded')
    return undefined;
  return metadata.labels?.[nriModeLabel] ?? '';
}

/** The node agents of this cluster, by their pods: what the hub is told of them. */
export class NodeAgentsView {
  readonly #pods: ObjectCache<string>;

  /** @param options `namespace`: where the agents' pods are. */
  constructor(options: {
    readonly client: KubeClient;
    readonly namespace: string;
    readonly log: Logger;
    readonly metrics: Registry;
  }) {
    this.#pods = new ObjectCache({
      ...options,
      resource: pods,
      labelSelector: agentSelector,
      project: modeOfAgent,
      name: 'node-agents',
    });
  }

  /** For the cluster's Lease on the hub; empty while they have not been read. */
  get annotations(): Readonly<Record<string, string>> {
    if (!this.#pods.hasSynced) return {};
    return { [nodeAgentsAnnotation]: formatNodeAgents(countAgents(this.#pods.values())) };
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#pods.run(signal);
  }
}
