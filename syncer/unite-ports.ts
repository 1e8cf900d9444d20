import type { ExportedServiceSpec } from '../api/exported-service.ts';
import type { ServicePort } from '../api/service-port.ts';

/**
 * From the name of a port in its own cluster to its name in the import. A port that is missing here lost a clash:
 * the import's port of that name is another one, and its traffic must not reach this cluster. Unnamed is the empty text.
 */
export type PortNames = ReadonlyMap<string, string>;

/**
 * The union of the ports of all exports (KEP-1645, "Service port"): merged by name, then by protocol and number;
 * the oldest export wins a clash.
 *
 * Two clusters that call the same protocol and number differently mean the same port, which a Service can have only
 * once: it gets the older name. Where the union has several ports, none may be without a name (as in a Service), so
 * an unnamed one is called by protocol and number, for example `tcp-80`.
 *
 * @param byAge the exports, oldest first.
 */
export function unitePorts(byAge: readonly ExportedServiceSpec[]): {
  readonly ports: readonly ServicePort[];
  readonly names: ReadonlyMap<string, PortNames>;
} {
  const union = new Union();
  for (const { ports } of byAge) for (const port of ports) union.add(port);
  const ports = union.named();
  const nameOf = new Map(ports.map(port => [numberText(port), port.name ?? '']));
  const names = new Map<string, PortNames>();
  for (const { clusterId, ports: own } of byAge) {
    const mapped = new Map<string, string>();
    for (const port of own) {
      const name = nameOf.get(numberText(port));
      if (name !== undefined) mapped.set(port.name ?? '', name);
    }
    names.set(clusterId, mapped);
  }
  return { ports, names };
}

class Union {
  readonly #ports: ServicePort[] = [];
  readonly #names = new Set<string>();
  readonly #numbers = new Set<string>();

  add(port: ServicePort): void {
    const name = port.name ?? '';
    const number = numberText(port);
    if (this.#names.has(name) || this.#numbers.has(number)) return;
    this.#names.add(name);
    this.#numbers.add(number);
    this.#ports.push(port);
  }

  named(): readonly ServicePort[] {
    if (this.#ports.length === 1) return this.#ports;
    return this.#ports.map(port =>
      port.name === undefined ? { name: this.#freeName(port), ...port } : port,
    );
  }

  #freeName(port: ServicePort): string {
    const plain = numberText(port).toLowerCase();
    let name = plain;
    for (let attempt = 1; this.#names.has(name); attempt++) name = `${plain}-${attempt}`;
    return name;
  }
}

function numberText(port: ServicePort): string {
  return `${port.protocol}-${port.port}`;
}
