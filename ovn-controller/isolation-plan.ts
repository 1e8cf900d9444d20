import { formatCidr } from '../ipam/cidr.ts';
import type { Network } from './network.ts';
import type { WatchedPod } from './watched-pod.ts';
import { type Protocol, selects, type Target, type WatchedService } from './watched-service.ts';

/** An access rule of OVN (ovn-nb(5), ACL). */
export interface Rule {
  readonly direction: 'from-lport' | 'to-lport';
  readonly priority: number;
  readonly match: string;
  readonly action: 'allow-related' | 'drop';
}

/** A port group of OVN with its rules. Its name is that of an address set too: letters, digits, `_` and `.` only. */
export interface Group {
  readonly name: string;
  /** Keys of its pods. */
  readonly pods: ReadonlySet<string>;
  readonly rules: readonly Rule[];
}

export interface IsolationInput {
  readonly network: Network;
  readonly pods: Iterable<WatchedPod>;
  isIsolatedNamespace(name: string): boolean;
  servicesIn(namespace: string): readonly WatchedService[];
  /** Whether a Service is exported. */
  isExported(service: string): boolean;
}

const dropPriority = 1000;
const admitPriority = 1001;
const isolatedGroup = 'nauti_isolated';

/**
 * Which pods are closed to other clusters, and where they are open. Pure.
 *
 * A pod is isolated where its Namespace, or a Service that selects it, says so. Other clusters reach it at the ports
 * that exported Services lead to; what it opens itself is answered; its own cluster reaches it as ever.
 */
export function planIsolation(input: IsolationInput): readonly Group[] {
  const isolated = new Set<string>();
  const admitted = new Map<string, Set<string>>();
  const spaces = new Map<string, Space>();
  for (const pod of input.pods) {
    const space = spaces.get(pod.namespace) ?? readSpace(input, pod.namespace);
    spaces.set(pod.namespace, space);
    // Nearly all, with thousands of pods: only the others are compared with Services.
    if (!space.mayIsolate) continue;
    const services = space.services.filter(service => selects(service, pod.labels));
    if (!space.isIsolated && !services.some(({ isIsolated }) => isIsolated)) continue;
    isolated.add(pod.key);
    const exported = services.filter(({ key }) => input.isExported(key));
    for (const target of exported.flatMap(({ targets }) => targets)) {
      const port = numberOf(target, pod);
      if (port === undefined) continue;
      const name = admitGroup(target.protocol, port);
      const pods = admitted.get(name) ?? new Set();
      admitted.set(name, pods.add(pod.key));
    }
  }
  if (isolated.size === 0) return [];
  const groups: Group[] = [{ name: isolatedGroup, pods: isolated, rules: isolationRules(input.network) }];
  for (const [name, pods] of admitted)
    groups.push({ name, pods, rules: admissionRules(name, input.network) });
  return groups;
}

interface Space {
  readonly isIsolated: boolean;
  readonly services: readonly WatchedService[];
  /** Whether the namespace, or a Service of it, asks for isolation. */
  readonly mayIsolate: boolean;
}

function readSpace(input: IsolationInput, namespace: string): Space {
  const isIsolated = input.isIsolatedNamespace(namespace);
  const services = input.servicesIn(namespace);
  return { isIsolated, services, mayIsolate: isIsolated || services.some(service => service.isIsolated) };
}

/** `nauti_admit_tcp_8080`. */
function admitGroup(protocol: Protocol, port: number): string {
  return `nauti_admit_${protocol.toLowerCase()}_${port}`;
}

function numberOf({ protocol, port }: Target, pod: WatchedPod): number | undefined {
  return typeof port === 'number' ? port : pod.namedPorts[`${protocol}/${port}`];
}

function isolationRules(network: Network): Rule[] {
  return network.flatMap(part => [
    {
      direction: 'to-lport',
      priority: dropPriority,
      match: `outport == @${isolatedGroup} && ${foreign(part, 'src')}`,
      action: 'drop',
    },
    // Answers to what the pod itself opens belong to the connection.
    {
      direction: 'from-lport',
      priority: admitPriority,
      match: `inport == @${isolatedGroup} && ${foreign(part, 'dst')}`,
      action: 'allow-related',
    },
  ]);
}

function admissionRules(group: string, network: Network): Rule[] {
  const [, , protocol, port] = group.split('_');
  return network.map(part => ({
    direction: 'to-lport',
    priority: admitPriority,
    match: `outport == @${group} && ${foreign(part, 'src')} && ${protocol} && ${protocol}.dst == ${port}`,
    action: 'allow-related',
  }));
}

/** Traffic with other clusters: in the block of all, and not in our own. */
function foreign({ family, cidr, global }: Network[number], end: 'src' | 'dst'): string {
  const field = `ip${family}.${end}`;
  return `ip${family} && ${field} == ${formatCidr(global)} && ${field} != ${formatCidr(cidr)}`;
}
