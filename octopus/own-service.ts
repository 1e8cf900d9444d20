import type { KubeObject } from '../api/meta.ts';
import { parseTarget, type Target } from './host-port.ts';

/**
 * Where a load balancer is reached that leads to the gateway's Service: its first address or name, at the Service's port.
 * Pure.
 *
 * @returns undefined while there is none: for a Service of another type, before the load balancer is there, and for what is
 * neither an address nor a name.
 */
export function balancerTarget(service: KubeObject | undefined): Target | undefined {
  const spec = record(service?.spec);
  if (spec.type !== 'LoadBalancer') return undefined;
  const [port] = list(spec.ports)
    .map(record)
    .filter(({ protocol }) => protocol === 'UDP')
    .map(one => one.port);
  if (typeof port !== 'number') return undefined;
  const found = list(record(record(service?.status).loadBalancer).ingress)
    .map(record)
    .flatMap(({ ip, hostname }) => [ip, hostname])
    .flatMap(text => (typeof text === 'string' ? (parseTarget(text, port) ?? []) : []));
  // A port in the text would be no address and no name.
  return found.find(target => target.port === port);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
