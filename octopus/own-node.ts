import type { KubeObject } from '../api/meta.ts';
import { gatewayAnnotations } from '../api/names.ts';
import { nodes } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import type { NodeFacts } from './own-endpoint.ts';

const annotationNames: readonly string[] = Object.values(gatewayAnnotations);
const regionLabel = 'topology.kubernetes.io/region';

/** What is kept of a Node; anything that is not a text is left out. */
export function viewNode({ metadata, status }: KubeObject): NodeFacts {
  const texts = (from: Readonly<Record<string, unknown>> | undefined, names: readonly string[]) =>
    Object.fromEntries(
      names.flatMap(name => (typeof from?.[name] === 'string' ? [[name, from[name] as string]] : [])),
    );
  const { addresses } = (status ?? {}) as { addresses?: unknown };
  const list = Array.isArray(addresses) ? (addresses as { type?: unknown; address?: unknown }[]) : [];
  const ipsOf = (wanted: string) =>
    list.flatMap(({ type, address }) => (type === wanted && typeof address === 'string' ? [address] : []));
  return {
    annotations: texts(metadata.annotations, annotationNames),
    labels: texts(metadata.labels, [regionLabel]),
    externalIps: ipsOf('ExternalIP'),
    internalIps: ipsOf('InternalIP'),
  };
}

/** The Node that the gateway runs on; the kubelet writes it often, and only what counts is told. */
export class OwnNode {
  readonly #cache: ObjectCache<NodeFacts> | undefined;
  readonly #name: string;

  constructor(options: {
    readonly client: KubeClient;
    readonly name: string | undefined;
    readonly log: Logger;
  }) {
    const { client, name, log } = options;
    this.#name = name ?? '';
    this.#cache =
      name === undefined
        ? undefined
        : new ObjectCache({
            client,
            resource: nodes,
            fieldSelector: `metadata.name=${name}`,
            project: viewNode,
            unchanged: (a, b) => JSON.stringify(a) === JSON.stringify(b),
            log,
          });
  }

  get current(): NodeFacts | undefined {
    return this.#cache?.get(this.#name);
  }

  subscribe(onChange: () => void): void {
    this.#cache?.subscribe(onChange);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#cache?.run(signal);
  }

  async synced(signal: AbortSignal): Promise<void> {
    await this.#cache?.synced(signal);
  }
}
