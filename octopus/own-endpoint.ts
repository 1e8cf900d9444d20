/** How the others reach this gateway, from what people, the cloud and the node say. Pure. */

import { isIP } from 'node:net';
import { gatewayAnnotations } from '../api/names.ts';
import { parseAddress } from '../ipam/address.ts';
import { type Cidr, cidrHas, parseCidr } from '../ipam/cidr.ts';
import { parseInternalAddress, parseTarget, type Target } from './host-port.ts';

/** What is read of the Node that the gateway runs on. */
export interface NodeFacts {
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly externalIps: readonly string[];
  readonly internalIps: readonly string[];
}

export interface OwnSettings {
  /** By flag. */
  readonly endpoint: Target | undefined;
  readonly internalIp: string | undefined;
  readonly location: string | undefined;
  readonly keepalive: number;
  /** The port that others dial; a NodePort may differ from the one that is listened on. */
  readonly endpointPort: number;
  /** `auto`: public where the endpoint was said by a person, or is a public address. */
  readonly isPublic: 'auto' | boolean;
}

export interface OwnEndpoint {
  readonly endpoint?: Target;
  readonly isPublic: boolean;
  readonly internal?: string;
  readonly location: string;
  readonly wantsToLead: boolean;
  readonly keepalive: number;
  /** Annotations that cannot be used, as whole sentences. */
  readonly problems: readonly string[];
}

const privateBlocks = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.168.0.0/16',
  'fc00::/7',
  '169.254.0.0/16',
  'fe80::/10',
]
  .map(parseCidr)
  .filter((cidr): cidr is Cidr => cidr !== undefined);

/** Whether an address can be reached from everywhere. */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && !privateBlocks.some(block => cidrHas(block, address));
}

/**
 * Order of the endpoint: the annotation, the flag, the load balancer, the node's ExternalIP, its InternalIP, an address of
 * the underlay device. An address of the last four only where it is public, or somebody says that the gateway is; the
 * InternalIP is asked only then. In a pod the underlay device has the pod's own address, which leads nowhere.
 *
 * @param deviceAddresses those of the underlay device.
 * @param balancer the load balancer that leads to this gateway.
 */
export function ownEndpoint(
  settings: OwnSettings,
  node: NodeFacts | undefined,
  deviceAddresses: readonly string[],
  balancer?: Target,
): OwnEndpoint {
  const annotations = node?.annotations ?? {};
  const problems: string[] = [];
  const forcedText = annotations[gatewayAnnotations.forceEndpoint];
  const forced = forcedText === undefined ? undefined : parseTarget(forcedText, settings.endpointPort);
  if (forcedText !== undefined && forced === undefined) {
    problems.push(refusal(gatewayAnnotations.forceEndpoint, 'host or host:port', forcedText));
  }
  const nodeIps = [
    ...(node?.externalIps ?? []),
    ...(settings.isPublic === true ? (node?.internalIps ?? []) : []),
  ];
  const found = [...nodeIps, ...deviceAddresses];
  const detected = found.find(isPublicAddress) ?? (settings.isPublic === true ? found[0] : undefined);
  const isUsable = (host: string) => settings.isPublic === true || isIP(host) === 0 || isPublicAddress(host);
  const endpoint =
    forced ??
    settings.endpoint ??
    (balancer !== undefined && isUsable(balancer.host) ? balancer : undefined) ??
    (detected === undefined ? undefined : { host: detected, port: settings.endpointPort });
  const internalText = annotations[gatewayAnnotations.forceInternalIp];
  const forcedInternal = internalText === undefined ? undefined : parseInternalAddress(internalText);
  if (internalText !== undefined && forcedInternal === undefined) {
    problems.push(refusal(gatewayAnnotations.forceInternalIp, 'an address or address/prefix', internalText));
  }
  const internal = forcedInternal ?? settings.internalIp;
  const keepaliveText = annotations[gatewayAnnotations.persistentKeepalive];
  const isKeepalive =
    keepaliveText !== undefined && /^\d{1,5}$/.test(keepaliveText) && Number(keepaliveText) <= 65_535;
  if (keepaliveText !== undefined && !isKeepalive) {
    problems.push(refusal(gatewayAnnotations.persistentKeepalive, 'seconds from 0 to 65535', keepaliveText));
  }
  return {
    isPublic: endpoint !== undefined && settings.isPublic !== false,
    location:
      annotations[gatewayAnnotations.location] ??
      settings.location ??
      node?.labels['topology.kubernetes.io/region'] ??
      '',
    wantsToLead: annotations[gatewayAnnotations.leader] !== undefined,
    keepalive: isKeepalive ? Number(keepaliveText) : settings.keepalive,
    problems,
    ...(endpoint && { endpoint }),
    ...(internal !== undefined && { internal }),
  };
}

function refusal(name: string, expected: string, value: string): string {
  return `Cannot use the annotation ${name} as it must be ${expected}: current value is ${JSON.stringify(value.slice(0, 120))}`;
}
