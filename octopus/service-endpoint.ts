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

/** Lets the Service lead here. */
export async function takeService(client: KubeClient, by: ServedBy, signal: AbortSignal): Promise<void> {
  await Promise.all(
    sliceBodies(by).map(body =>
      client.apply(endpointSlices, body, { fieldManager: fieldManagers.octopus, force: true, signal }),
    ),
  );
}
