/**
 * What crossdns keeps of a ServiceImport and of an EndpointSlice, and how it is read from an object.
 *
 * Only KEP-1645's labels are required, so the objects of any implementation of the MCS API serve. An object that
 * cannot be used is refused as a whole with a sentence that names the field.
 */

import { isIPv4, isIPv6 } from 'node:net';
import type { KubeObject } from '../api/meta.ts';
import { hubLabels, mcsLabels, routingAnnotations } from '../api/names.ts';
import { clusterId, namespaceName } from '../process/parsers.ts';

export interface PortRecord {
  /** Empty for an unnamed port, which has no SRV record by name. */
  readonly name: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
}

/** How a cluster's endpoints are weighed against those of others; undefined where nobody said. */
export interface RoutingRecord {
  readonly weight: number | undefined;
  readonly priority: number | undefined;
}

export interface ImportRecord extends RoutingRecord {
  readonly kind: 'import';
  readonly namespace: string;
  readonly service: string;
  readonly type: 'ClusterSetIP' | 'Headless';
  readonly ips: readonly string[];
  readonly ports: readonly PortRecord[];
  /** Whether endpoints of the asking cluster are preferred (`trafficDistribution`). */
  readonly preferClose: boolean;
}

/** An endpoint that is ready. */
export interface EndpointRecord {
  readonly addresses: readonly string[];
  readonly hostname: string | undefined;
  /** Topology zone. */
  readonly zone: string | undefined;
}

export interface SliceRecord extends RoutingRecord {
  readonly kind: 'slice';
  readonly namespace: string;
  readonly service: string;
  readonly cluster: string;
  readonly family: 4 | 6;
  readonly ports: readonly PortRecord[];
  readonly endpoints: readonly EndpointRecord[];
  /** How many endpoints were left out because they are not ready. */
  readonly unready: number;
}

export type ServiceRecord = ImportRecord | SliceRecord;

/** An object of ours that cannot be used; the message says which field must be what. */
export class UnusableObject extends Error {
  override readonly name = 'UnusableObject';
}

/**
 * Reads an object of any kind.
 *
 * @param localNamespace where slices may name another namespace than their own by the contract's labels. Elsewhere
 * these labels count for nothing, or whoever may write slices in one namespace could speak for all.
 * @returns undefined for an object that does not concern DNS.
 * @throws UnusableObject
 */
export function readServiceRecord(object: KubeObject, localNamespace: string): ServiceRecord | undefined {
  const group = (object.apiVersion ?? '').split('/', 1)[0];
  if (object.kind === 'ServiceImport' && group === 'multicluster.x-k8s.io') return readImport(object);
  if (object.kind === 'EndpointSlice' && group === 'discovery.k8s.io') {
    return readSlice(object, localNamespace);
  }
  return undefined;
}

/** @throws UnusableObject */
export function readImport(object: KubeObject): ImportRecord {
  const spec = fields(object.spec, 'spec');
  const type = spec.type;
  if (type !== 'ClusterSetIP' && type !== 'Headless') {
    throw unusable('spec.type', '"ClusterSetIP" or "Headless"', type);
  }
  return {
    kind: 'import',
    ...readIdentity(object.metadata.namespace, object.metadata.name, 'metadata.name'),
    type,
    ips: list(spec.ips, 'spec.ips').map((ip, i) => readAddress(ip, `spec.ips[${i}]`)),
    ports: readPorts(spec.ports, 'spec.ports'),
    preferClose: prefersClose(spec.trafficDistribution),
    ...readRouting(object),
  };
}

/**
 * Reads a slice by the contract's labels in the local namespace, by KEP-1645's everywhere.
 *
 * @returns undefined for a slice that belongs to no import, or whose addresses are no IP addresses.
 * @throws UnusableObject
 */
export function readSlice(object: KubeObject, localNamespace: string): SliceRecord | undefined {
  const owner = readOwner(object, localNamespace);
  if (owner === undefined) return undefined;
  const addressType = object.addressType;
  if (addressType === 'FQDN') return undefined;
  if (addressType !== 'IPv4' && addressType !== 'IPv6') {
    throw unusable('addressType', '"IPv4", "IPv6" or "FQDN"', addressType);
  }
  const family = addressType === 'IPv4' ? 4 : 6;
  const all = list(object.endpoints, 'endpoints');
  const endpoints: EndpointRecord[] = [];
  for (const [i, value] of all.entries()) {
    const endpoint = readEndpoint(fields(value, `endpoints[${i}]`), family, `endpoints[${i}]`);
    if (endpoint !== undefined) endpoints.push(endpoint);
  }
  return {
    kind: 'slice',
    ...owner,
    family,
    ports: readPorts(object.ports, 'ports'),
    endpoints,
    unready: all.length - endpoints.length,
    ...readRouting(object),
  };
}

/** Whether a slice is taken by the contract's labels: only in the local namespace. */
export function hasContractLabels(object: KubeObject, localNamespace: string): boolean {
  return (
    object.metadata.namespace === localNamespace &&
    object.metadata.labels?.[hubLabels.serviceName] !== undefined
  );
}

function readOwner(
  object: KubeObject,
  localNamespace: string,
): { namespace: string; service: string; cluster: string } | undefined {
  const labels = object.metadata.labels ?? {};
  const contract = hasContractLabels(object, localNamespace);
  const serviceLabel = contract ? hubLabels.serviceName : mcsLabels.serviceName;
  if (labels[serviceLabel] === undefined) return undefined;
  const clusterLabel = contract ? hubLabels.clusterId : mcsLabels.sourceCluster;
  const namespace = contract ? labels[hubLabels.serviceNamespace] : object.metadata.namespace;
  const cluster = labels[clusterLabel] ?? '';
  if (clusterId.parse(cluster) === undefined) {
    throw unusable(`metadata.labels["${clusterLabel}"]`, clusterId.expected, labels[clusterLabel]);
  }
  return { ...readIdentity(namespace, labels[serviceLabel], `metadata.labels["${serviceLabel}"]`), cluster };
}

function readIdentity(
  namespace: unknown,
  service: unknown,
  serviceField: string,
): { namespace: string; service: string } {
  if (typeof namespace !== 'string' || namespaceName.parse(namespace) === undefined) {
    throw unusable('the namespace', namespaceName.expected, namespace);
  }
  if (typeof service !== 'string' || !isLabel(service)) {
    throw unusable(serviceField, 'a DNS label of at most 63 characters of a-z, 0-9 and -', service);
  }
  return { namespace, service };
}

/** @returns undefined for an endpoint that is not ready; nothing said means ready (discovery.k8s.io/v1). */
function readEndpoint(
  endpoint: Readonly<Record<string, unknown>>,
  family: 4 | 6,
  path: string,
): EndpointRecord | undefined {
  const conditions = fields(endpoint.conditions ?? {}, `${path}.conditions`);
  if (conditions.ready === false) return undefined;
  const hostname = endpoint.hostname;
  const zone = endpoint.zone;
  return {
    addresses: list(endpoint.addresses, `${path}.addresses`).map((address, i) =>
      readAddress(address, `${path}.addresses[${i}]`, family),
    ),
    // A hostname that cannot be one gives way to the dashed address, so that the endpoint stays reachable.
    hostname: typeof hostname === 'string' && isLabel(hostname) ? hostname : undefined,
    zone: typeof zone === 'string' && zone !== '' ? zone : undefined,
  };
}

function readPorts(value: unknown, path: string): PortRecord[] {
  const ports: PortRecord[] = [];
  for (const [i, item] of list(value, path).entries()) {
    const port = fields(item, `${path}[${i}]`);
    // A slice's port without a number means all ports; there is nothing for SRV to say.
    if (port.port === undefined || port.port === null) continue;
    ports.push(readPort(port, `${path}[${i}]`));
  }
  return ports;
}

function readPort(port: Readonly<Record<string, unknown>>, path: string): PortRecord {
  const { name = '', protocol = 'TCP', port: number } = port;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > 65_535) {
    throw unusable(`${path}.port`, 'an integer from 1 to 65535', number);
  }
  if (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP') {
    throw unusable(`${path}.protocol`, '"TCP", "UDP" or "SCTP"', protocol);
  }
  if (name !== '' && name !== null && (typeof name !== 'string' || !isLabel(name) || name.length > 62)) {
    throw unusable(`${path}.name`, 'a DNS label', name);
  }
  return { name: name ?? '', protocol: protocol.toLowerCase() as PortRecord['protocol'], port: number };
}

function readAddress(value: unknown, path: string, family?: 4 | 6): string {
  const fits =
    typeof value === 'string' &&
    ((family !== 6 && isIPv4(value)) || (family !== 4 && isIPv6(value) && !value.includes('%')));
  if (!fits) throw unusable(path, `an IP${family === undefined ? '' : `v${family}`} address`, value);
  return value;
}

/** Policies that keep traffic near; the node and the zone are in the cluster in any case. */
function prefersClose(value: unknown): boolean {
  return value === 'PreferClose' || value === 'PreferSameZone' || value === 'PreferSameNode';
}

function readRouting(object: KubeObject): RoutingRecord {
  const annotations = object.metadata.annotations ?? {};
  return {
    weight: readSixteenBits(annotations, routingAnnotations.weight),
    priority: readSixteenBits(annotations, routingAnnotations.priority),
  };
}

/** A value that is no integer from 0 to 65535 counts as not given: a typing error must not take a service away. */
function readSixteenBits(annotations: Readonly<Record<string, string>>, name: string): number | undefined {
  const text = annotations[name];
  const value = text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined;
  return value === undefined || value > 65_535 ? undefined : value;
}

function isLabel(text: string): boolean {
  return namespaceName.parse(text) !== undefined;
}

function list(value: unknown, path: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw unusable(path, 'a list', value);
  return value;
}

function fields(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unusable(path, 'an object', value);
  }
  return value as Readonly<Record<string, unknown>>;
}

function unusable(path: string, expected: string, value: unknown): UnusableObject {
  return new UnusableObject(
    `Cannot use the object as ${path} must be ${expected}: current value is ${JSON.stringify(value)?.slice(0, 200)}`,
  );
}
