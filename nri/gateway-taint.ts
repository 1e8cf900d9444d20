import { setTimeout as sleep } from 'node:timers/promises';
import { anyText, listOf, objectOf, objectOrEmpty, optionalText, parserOf } from '../api/parse.ts';
import { nodes } from '../api/resource.ts';
import { backoffDelay } from '../kube/backoff.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';

/** On nodes whose pods cannot have a NIC yet: no pod is placed there. The agent takes it off when it is ready. */
export const gatewayInitTaint = 'nauti.io/gateway-init';

const readNode = parserOf(
  'Node',
  objectOf({
    spec: objectOrEmpty({
      taints: listOf(objectOf({ key: anyText, effect: anyText, value: optionalText(anyText) })),
    }),
  }),
);

export interface JsonPatchOperation {
  readonly op: 'test' | 'remove';
  readonly path: string;
  readonly value?: unknown;
}

/**
 * The JSON patch (RFC 6902) that takes the taint off a node; undefined where it has none. It tests what it removes: a
 * change of the taints meanwhile makes it fail, and nothing else is lost.
 */
export function untaintPatch(taints: readonly { readonly key: string }[]): JsonPatchOperation[] | undefined {
  // From the last, so that the places of those before stay true.
  const operations = taints
    .map(({ key }, index): JsonPatchOperation[] => {
      if (key !== gatewayInitTaint) return [];
      const path = `/spec/taints/${index}`;
      return [
        { op: 'test', path: `${path}/key`, value: gatewayInitTaint },
        { op: 'remove', path },
      ];
    })
    .reverse()
    .flat();
  return operations.length === 0 ? undefined : operations;
}

/** Takes the taint off a node, trying again until it is off. */
export async function removeGatewayTaint(
  client: KubeClient,
  node: string,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const object = await client.get(nodes, { name: node }, { signal });
      const patch = object && untaintPatch(readNode(object).spec.taints);
      if (patch === undefined) return;
      await client.patch(
        nodes,
        { name: node },
        { contentType: 'application/json-patch+json', body: patch, signal },
      );
      log.info({ node, taint: gatewayInitTaint }, 'node is ready, its taint is off');
      return;
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error, node }, 'cannot take the taint off the node, trying again');
      await sleep(backoffDelay(failures, { minMs: 500, maxMs: 10_000 }), undefined, { signal }).catch(
        () => {},
      );
    }
  }
}
