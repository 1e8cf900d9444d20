import { Counter, Gauge, type Registry } from 'prom-client';

export interface NodeDeviceMetrics {
  readonly repairs: Counter<'kind'>;
}

/** What is read when metrics are asked for. */
export interface MeasuredNodeDevice {
  readonly isReady: boolean;
  /** Packets, by chain. */
  readonly dropped: ReadonlyMap<string, number>;
}

export function nodeDeviceMetrics(registry: Registry, measured: () => MeasuredNodeDevice): NodeDeviceMetrics {
  const registers = [registry];
  const prefix = 'nauti_nri_node_device_';
  new Gauge({
    name: `${prefix}ready`,
    help: '1 while the node has its device ovn0, with addresses, routes and rules as they should be.',
    registers,
    collect() {
      this.set(measured().isReady ? 1 : 0);
    },
  });
  new Counter({
    name: `${prefix}dropped_packets_total`,
    help: 'Packets from the secondary network that the rules of ovn0 dropped, by chain: inbound, forwarded.',
    labelNames: ['chain'],
    registers,
    collect() {
      this.reset();
      for (const [chain, packets] of measured().dropped) this.inc({ chain }, packets);
    },
  });
  return {
    repairs: new Counter({
      name: `${prefix}repairs_total`,
      help: 'What was put right of ovn0, by kind: device (address, route, state), port, firewall.',
      labelNames: ['kind'],
      registers,
    }),
  };
}
