import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** How the agent learns of pods; `none` until it is chosen. */
export type RuntimeMode = 'nri' | 'cri' | 'none';

export interface NriMetrics {
  /** `way`: start (while the pod started), late (its address came later), adopt (it was there). */
  readonly attachSeconds: Histogram<'way'>;
  readonly waitSeconds: Histogram<'outcome'>;
  readonly repairs: Counter<'kind'>;
  readonly removals: Counter<'kind'>;
  readonly refusals: Counter<'reason'>;
  readonly failures: Counter<string>;
}

/** What is read when metrics are asked for. */
export interface Measured {
  readonly mode: RuntimeMode;
  readonly isRuntimeConnected: boolean;
  readonly isSwitchFollowed: boolean;
  readonly attached: number;
  readonly waiting: number;
}

export function nriMetrics(registry: Registry, measured: () => Measured): NriMetrics {
  const registers = [registry];
  const prefix = 'nauti_nri_';
  new Gauge({
    name: `${prefix}mode`,
    help: '1 for the way by which the agent learns of pods: nri (the runtime calls) or cri (out of band).',
    labelNames: ['mode'],
    registers,
    collect() {
      for (const mode of ['nri', 'cri'] as const) this.set({ mode }, measured().mode === mode ? 1 : 0);
    },
  });
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name: `${prefix}${name}`,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('runtime_connected', '1 while the container runtime tells of pods.', () =>
    measured().isRuntimeConnected ? 1 : 0,
  );
  gauge('ovs_connected', "1 while the node's Open_vSwitch database is followed.", () =>
    measured().isSwitchFollowed ? 1 : 0,
  );
  gauge('nics', 'Pods of the node that have their second NIC.', () => measured().attached);
  gauge(
    'pods_waiting',
    'Pods of the node that should have a second NIC and do not yet.',
    () => measured().waiting,
  );
  return {
    attachSeconds: new Histogram({
      name: `${prefix}attach_duration_seconds`,
      help: 'Time to make or adopt a NIC, by way: start (while the pod started), late (its address came later), adopt.',
      labelNames: ['way'],
      buckets: [0.005, 0.01, 0.015, 0.02, 0.03, 0.06, 0.1, 0.2, 0.5, 1, 2, 5],
      registers,
    }),
    waitSeconds: new Histogram({
      name: `${prefix}start_wait_seconds`,
      help: 'Time by which the start of a pod was held up, by outcome: attached, late (it started without its NIC, or not at all).',
      labelNames: ['outcome'],
      buckets: [0.005, 0.01, 0.015, 0.02, 0.03, 0.06, 0.1, 0.2, 0.5, 1, 2],
      registers,
    }),
    repairs: new Counter({
      name: `${prefix}repairs_total`,
      help: 'NICs that were not as they should be, by what was done: changed, made (anew), port (added again).',
      labelNames: ['kind'],
      registers,
    }),
    removals: new Counter({
      name: `${prefix}removals_total`,
      help: 'NICs taken away: stopped (with its pod), orphan (belonged to no pod).',
      labelNames: ['kind'],
      registers,
    }),
    refusals: new Counter({
      name: `${prefix}refusals_total`,
      help: 'Pods refused a NIC: annotation, netns, sandbox.',
      labelNames: ['reason'],
      registers,
    }),
    failures: new Counter({
      name: `${prefix}failures_total`,
      help: 'Attempts to make, repair or remove a NIC that failed and are tried again.',
      registers,
    }),
  };
}
