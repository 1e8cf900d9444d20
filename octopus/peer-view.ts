import type { KubeObject } from '../api/meta.ts';
import { gatewayAnnotations } from '../api/names.ts';
import { gatewayConditions, type Peer, parsePeer } from '../api/peer.ts';

const annotationNames: readonly string[] = Object.values(gatewayAnnotations);
const conditionTypes: readonly string[] = Object.values(gatewayConditions);

/** What a gateway keeps of a Peer; measured values of the others are not among it. @throws UnreadableError */
export function viewPeer(object: KubeObject): Peer {
  const { metadata, spec, status } = parsePeer(object);
  const { name, namespace, creationTimestamp } = metadata;
  const annotations = Object.entries(metadata.annotations).filter(([key]) => annotationNames.includes(key));
  return {
    metadata: {
      name,
      labels: {},
      annotations: Object.fromEntries(annotations),
      ...(namespace !== undefined && { namespace }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
    },
    spec,
    status: {
      conditions: status.conditions.filter(({ type }) => conditionTypes.includes(type)),
      tunnels: [],
    },
  };
}

/** Whether two views of a Peer ask for the same. */
export function samePeer(a: Peer, b: Peer): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
