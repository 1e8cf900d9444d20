import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AddressBook } from './address-book.ts';

/** What this component measures of itself. */
export interface ControllerMetrics {
  readonly transactionSeconds: Histogram<string>;
  readonly transactionPods: Histogram<string>;
  readonly transactionFailures: Counter<'reason'>;
  readonly portChanges: Counter<'change'>;
  readonly refusals: Counter<'reason'>;
  readonly allocationSeconds: Histogram<string>;
  readonly annotationWrites: Counter<'outcome'>;
  readonly cidrRefused: Gauge<string>;
  readonly isolatedPods: Gauge<string>;
}

/** What is read when metrics are asked for. */
export interface Measured {
  readonly book: AddressBook | undefined;
  /** Pods that have no address, and should. */
  readonly refused: number;
  /** Pods that wait for a port, or for their annotations to be written. */
  readonly queueDepth: number;
  /** Whether the northbound database is followed. */
  readonly isOvnFollowed: boolean;
}

/** So much of the addresses being used is reason for people to look. */
const nearlyExhausted = 0.9;

/** Registers what this component measures; what `measured` gives is read when metrics are asked for. */
export function controllerMetrics(registry: Registry, measured: () => Measured): ControllerMetrics {
  const registers = [registry];
  const prefix = 'nauti_ovn_controller_';
  new Gauge({
    name: `${prefix}addresses`,
    help: 'Addresses of the cluster, by family and state: used, resting (released lately), free.',
    labelNames: ['family', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { network, used, resting, capacity } of measured().book?.counts() ?? []) {
        const family = `ipv${network.family}`;
        this.set({ family, state: 'used' }, used);
        this.set({ family, state: 'resting' }, resting);
        this.set({ family, state: 'free' }, Number(capacity) - used - resting);
      }
    },
  });
  new Gauge({
    name: `${prefix}addresses_nearly_exhausted`,
    help: '1 where at least 90 % of the addresses of a family are used.',
    labelNames: ['family'],
    registers,
    collect() {
      this.reset();
      for (const { network, used, capacity } of measured().book?.counts() ?? [])
        this.set({ family: `ipv${network.family}` }, used >= Number(capacity) * nearlyExhausted ? 1 : 0);
    },
  });
  new Gauge({
    name: `${prefix}pods_without_address`,
    help: 'Pods that should have an address and were refused one.',
    registers,
    collect() {
      this.set(measured().refused);
    },
  });
  new Gauge({
    name: `${prefix}queue_depth`,
    help: 'Pods that wait for a port, or for their annotations to be written.',
    registers,
    collect() {
      this.set(measured().queueDepth);
    },
  });
  new Gauge({
    name: `${prefix}ovn_connected`,
    help: '1 while the northbound database is followed.',
    registers,
    collect() {
      this.set(measured().isOvnFollowed ? 1 : 0);
    },
  });
  return {
    transactionSeconds: new Histogram({
      name: `${prefix}transaction_duration_seconds`,
      help: 'Time of a transaction with OVN.',
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
      registers,
    }),
    transactionPods: new Histogram({
      name: `${prefix}transaction_pods`,
      help: 'Pods in one transaction with OVN.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
      registers,
    }),
    transactionFailures: new Counter({
      name: `${prefix}transaction_failures_total`,
      help: 'Transactions with OVN that failed: refused, fenced (another writer), unknown (connection lost), failed.',
      labelNames: ['reason'],
      registers,
    }),
    portChanges: new Counter({
      name: `${prefix}port_changes_total`,
      help: 'Logical switch ports that were created, repaired and removed.',
      labelNames: ['change'],
      registers,
    }),
    refusals: new Counter({
      name: `${prefix}refusals_total`,
      help: 'Times that a pod was refused an address, by the reason that its Event has.',
      labelNames: ['reason'],
      registers,
    }),
    allocationSeconds: new Histogram({
      name: `${prefix}allocation_duration_seconds`,
      help: 'Time from seeing a pod without annotations until they are written.',
      buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60],
      registers,
    }),
    annotationWrites: new Counter({
      name: `${prefix}annotation_writes_total`,
      help: 'Writes of pod annotations: written, cleared, gone (the pod went meanwhile), failed.',
      labelNames: ['outcome'],
      registers,
    }),
    cidrRefused: new Gauge({
      name: `${prefix}cidr_change_refused`,
      help: '1 while a changed CIDR is not taken, because ports with addresses of the former one exist.',
      registers,
    }),
    isolatedPods: new Gauge({
      name: `${prefix}isolated_pods`,
      help: 'Pods that other clusters reach only at exported ports.',
      registers,
    }),
  };
}
