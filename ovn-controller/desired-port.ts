import type { Uuid } from 'ovsdb-client';
import { splitKey } from '../api/meta.ts';
import { nodePortName } from '../api/object-names.ts';
import { logicalSwitch } from './annotations.ts';
import { type Assignment, portAddress } from './assignment.ts';
import { isNodeKey } from './port-owner.ts';

/** Marks what is ours in OVN; everything else is left alone. */
export const vendor = 'nauti';

/** A logical switch port, as far as we read and write it. */
export interface PortRow {
  readonly _uuid: Uuid;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port_security: readonly string[];
  readonly external_ids: ReadonlyMap<string, string>;
}

/** A port as it should be. */
export interface DesiredPort {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly portSecurity: readonly string[];
  readonly externalIds: Readonly<Record<string, string>>;
}

/** `<pod>.<namespace>`, or `node-<node>`. A namespace has no dot, so that no two pods share a name. */
export function portName(key: string): string {
  if (isNodeKey(key)) return nodePortName(key);
  const { namespace = '', name } = splitKey(key);
  return `${name}.${namespace}`;
}

/** The key of the pod or node that one of our ports is for; undefined for ports that are not ours. */
export function ownerOfPort({ external_ids: ids }: Pick<PortRow, 'external_ids'>): string | undefined {
  return ids.get('vendor') === vendor ? (ids.get('pod') ?? ids.get('node')) : undefined;
}

/** Marks the port of a pod that will come again under its name: its address is remembered when it goes. */
const statefulKey = 'stateful';

export function isStatefulPort(port: Pick<PortRow, 'external_ids'>): boolean {
  return port.external_ids.get(statefulKey) === 'true';
}

export function desiredPort(key: string, assignment: Assignment, isStateful: boolean): DesiredPort {
  const address = portAddress(assignment);
  return {
    name: portName(key),
    addresses: [address],
    // The gateway passes on what others send: only its own MAC can be asked of it.
    portSecurity: [assignment.gateway ? assignment.mac : address],
    externalIds: {
      [isNodeKey(key) ? 'node' : 'pod']: key,
      ls: logicalSwitch,
      vendor,
      ...(isStateful ? { [statefulKey]: 'true' } : {}),
    },
  };
}

/** Whether a port is as it should be; external ids of others on it do not matter. */
export function isAsDesired(port: PortRow, desired: DesiredPort): boolean {
  return (
    port.name === desired.name &&
    sameTexts(port.addresses, desired.addresses) &&
    sameTexts(port.port_security, desired.portSecurity) &&
    Object.entries(desired.externalIds).every(([key, value]) => port.external_ids.get(key) === value)
  );
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every(text => b.includes(text));
}
