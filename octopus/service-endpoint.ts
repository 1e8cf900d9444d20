import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../api/meta.ts';
import { fieldManagers } from '../api/names.ts';
import { endpointSlices } from '../api/resource.ts';
import { formatAddress, parseAddress } from '../ipam/address.ts';
import type { KubeClient } from '../kube/client.ts';

export interface ServedBy {
  /** The Service; its slices are there already, `<service>-ipv4` and `<service>-ipv6`. */
  readonly service: string;
  readonly namespace: string;
  /** Of this gateway's pod. */
  readonly podIps: readonly string[];
  readonly nodeName: string | undefined;
  readonly port: number;
}

/**
 * The slices of a Service whose packets go to this gateway and no other: a selector would take both of a cluster's
 * gateways, of which only one has the tunnels. Pure.
 */
export function sliceBodies({ service, namespace, podIps, nodeName, port }: ServedBy) {
  return ([4, 6] as const).map(family => {
    const own = podIps.flatMap(text => parseAddress(text) ?? []).filter(one => one.family === family);
    return {
      metadata: { namespace, name: `${service}-ipv${family}` },
      endpoints: own.slice(0, 1).map(address => ({
        addresses: [formatAddress(address)],
        conditions: { ready: true, serving: true, terminating: false },
        ...(nodeName !== undefined && { nodeName }),
      })),
      ports: [{ name: 'wireguard', protocol: 'UDP', port }],
    };
  });
}

type SliceBody = ReturnType<typeof sliceBodies>[number];

/** Whether a slice leads to this gateway already. Pure. */
export function leadsHere(found: KubeObject, { endpoints, ports }: SliceBody): boolean {
  const { endpoints: foundEndpoints, ports: foundPorts } = found;
  return (
    isDeepStrictEqual(foundEndpoints ?? [], endpoints) &&
    (endpoints.length === 0 || isDeepStrictEqual(foundPorts, ports))
  );
}

/**
 * Lets the Service lead here.
 *
 * @param mayBeSo whether it probably does: then it is looked at first, and only written to where it does not.
 */
export async function takeService(
  client: KubeClient,
  by: ServedBy,
  { mayBeSo, signal }: { readonly mayBeSo: boolean; readonly signal: AbortSignal },
): Promise<void> {
  await Promise.all(
    sliceBodies(by).map(async body => {
      const found = mayBeSo ? await client.get(endpointSlices, body.metadata, { signal }) : undefined;
      if (found !== undefined && leadsHere(found, body)) return;
      await client.apply(endpointSlices, body, { fieldManager: fieldManagers.octopus, force: true, signal });
    }),
  );
}
