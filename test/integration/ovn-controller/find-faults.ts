import type { KubeObject } from '../../../api/meta.ts';

export interface PortFacts {
  readonly name: string;
  readonly addresses: readonly string[];
}

/**
 * What is wrong with the addresses of a cluster: pods without one, addresses of two pods, annotations that are not what
 * the port has, ports without a pod. One sentence each.
 */
export function findFaults(pods: ReadonlyMap<string, KubeObject>, ports: readonly PortFacts[]): string[] {
  const faults: string[] = [];
  const owners = new Map<string, string>();
  const byName = new Map(ports.map(port => [port.name, port]));
  if (byName.size !== ports.length) faults.push('two ports have one name');
  for (const [key, pod] of pods) {
    const [namespace, name] = key.split('/');
    const {
      'nauti.io/ip_address': ip,
      'nauti.io/mac_address': mac,
      'nauti.io/allocated': allocated,
    } = pod.metadata.annotations ?? {};
    const port = byName.get(`${name}.${namespace}`);
    byName.delete(`${name}.${namespace}`);
    if (allocated !== 'true' || ip === undefined || mac === undefined) {
      faults.push(`${key} has no address`);
      continue;
    }
    if (port?.addresses.join() !== `${mac} ${ip.replace(',', ' ')}`)
      faults.push(`${key} and its port differ`);
    for (const value of [ip, mac]) {
      const other = owners.get(value);
      if (other !== undefined) faults.push(`${key} and ${other} both have ${value}`);
      owners.set(value, key);
    }
  }
  for (const name of byName.keys()) faults.push(`the port ${name} has no pod`);
  return faults;
}
