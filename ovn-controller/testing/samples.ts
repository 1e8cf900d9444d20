/** Pods, networks and ports for the tests of the pure parts. */
import type { Uuid } from 'ovsdb-client';
import type { KubeObject } from '../../api/meta.ts';
import { type Address, parseAddress } from '../../ipam/address.ts';
import { type Cidr, parseCidr } from '../../ipam/cidr.ts';
import { AddressBook } from '../address-book.ts';
import { type PortRow, portName } from '../desired-port.ts';
import { type Network, planNetwork } from '../network.ts';
import { readNode, type WatchedNode } from '../watched-node.ts';
import { readPod, type WatchedPod } from '../watched-pod.ts';

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`);
  return parsed;
}

export function ip(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

/** @param cidrs own blocks; the global ones are 10.112.0.0/12 and fd00:10::/32. */
export function network(...cidrs: readonly string[]): Network {
  const planned = planNetwork(cidrs.map(cidr), [cidr('10.112.0.0/12'), cidr('fd00:10::/32')], undefined);
  if (typeof planned === 'string') throw new Error(planned);
  return planned;
}

export function book(...cidrs: readonly string[]): AddressBook {
  return new AddressBook(network(...cidrs), 1_000);
}

export interface PodFields {
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly phase?: string;
  readonly deletionTimestamp?: string;
  readonly grace?: number;
  readonly createdAt?: string;
  readonly serviceAccount?: string;
  readonly owner?: string;
  readonly hostNetwork?: boolean;
  readonly ports?: readonly object[];
  readonly conditions?: readonly object[];
  readonly uid?: string;
}

/** A pod as the API server has it, by its key. */
export function podObject(key: string, fields: PodFields = {}): KubeObject {
  const [namespace = '', name = ''] = key.split('/');
  return {
    metadata: {
      namespace,
      name,
      uid: fields.uid ?? `uid of ${key}`,
      creationTimestamp: fields.createdAt ?? '2026-01-01T00:00:00Z',
      ...(fields.deletionTimestamp && { deletionTimestamp: fields.deletionTimestamp }),
      ...(fields.grace === undefined ? {} : { deletionGracePeriodSeconds: fields.grace }),
      labels: fields.labels ?? {},
      annotations: fields.annotations ?? {},
      ...(fields.owner && {
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: fields.owner, name: 'o', uid: 'o', controller: true },
        ],
      }),
    },
    spec: {
      hostNetwork: fields.hostNetwork,
      serviceAccountName: fields.serviceAccount ?? 'default',
      containers: [{ name: 'c', image: 'i', ports: fields.ports ?? [] }],
    },
    status: { phase: fields.phase ?? 'Running', conditions: fields.conditions ?? [] },
  };
}

export function pod(key: string, fields: PodFields = {}): WatchedPod {
  const read = readPod(podObject(key, fields));
  if (read === undefined) throw new Error('a pod of the host network');
  return read;
}

export function node(
  name: string,
  { wantsPort = true, annotations = {} }: { wantsPort?: boolean; annotations?: Record<string, string> } = {},
): WatchedNode {
  return readNode({ metadata: { name, uid: `uid of ${name}`, annotations } }, wantsPort);
}

let made = 0;

/** One of our ports: of a pod, or of a node where the key has no slash. */
export function port(
  key: string,
  address: string,
  more: Partial<PortRow> & { stateful?: boolean } = {},
): PortRow {
  const { stateful, ...rest } = more;
  return {
    _uuid: `port-${++made}` as Uuid,
    name: portName(key),
    addresses: [address],
    port_security: [address],
    external_ids: new Map([
      [key.includes('/') ? 'pod' : 'node', key],
      ['ls', 'default'],
      ['vendor', 'nauti'],
      ...(stateful ? [['stateful', 'true'] as const] : []),
    ]),
    ...rest,
  };
}
