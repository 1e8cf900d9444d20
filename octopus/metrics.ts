import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PeerState } from './device-state.ts';
import type { Path } from './link-message.ts';
import type { LinkFigures } from './link-meter.ts';

/** What is read when metrics are asked for. */
export interface Measured {
  readonly links: ReadonlyMap<string, LinkFigures & { readonly path: Path }>;
  readonly peers: ReadonlyMap<string, PeerState>;
  readonly refused: number;
  /** Which WireGuard; undefined while there is no device. */
  readonly implementation: string | undefined;
}

export interface GatewayMetrics {
  readonly applySeconds: Histogram<string>;
  readonly changes: Counter<'kind'>;
  readonly rotations: Counter<'outcome'>;
  readonly errors: Counter<'what'>;
}

const prefix = 'nauti_octopus_';

export function gatewayMetrics(registry: Registry, measured: () => Measured): GatewayMetrics {
  const registers = [registry];
  const perLink = (
    name: string,
    help: string,
    value: (
      id: string,
      figures: LinkFigures & { readonly path: Path },
      peer: PeerState | undefined,
    ) => number | undefined,
  ) =>
    new Gauge({
      name: `${prefix}${name}`,
      help,
      labelNames: ['cluster'],
      registers,
      collect() {
        this.reset();
        const { links, peers } = measured();
        for (const [id, figures] of links) {
          const found = value(id, figures, peers.get(id));
          if (found !== undefined) this.set({ cluster: id }, found);
        }
      },
    });
  perLink('link_up', 'Whether the gateway at the other end answers.', (_, { state }) =>
    state === 'Connected' ? 1 : 0,
  );
  perLink(
    'link_relayed',
    'Whether packets for the cluster go by the hub though there is a tunnel.',
    (_, { path }) => (path === 'relayed' ? 1 : 0),
  );
  perLink('link_rtt_seconds', 'Round trip, weighted average.', (_, { rtt }) => rtt && rtt.average / 1000);
  perLink(
    'link_rtt_min_seconds',
    'Least round trip of the last 100 probes.',
    (_, { rtt }) => rtt && rtt.min / 1000,
  );
  perLink(
    'link_rtt_max_seconds',
    'Longest round trip of the last 100 probes.',
    (_, { rtt }) => rtt && rtt.max / 1000,
  );
  perLink('link_loss_ratio', 'Part of the last 100 probes that no answer came to.', (_, { loss }) => loss);
  perLink('link_handshake_age_seconds', 'Time since the last handshake of WireGuard.', (_, __, peer) =>
    peer === undefined || peer.handshakeAt === 0
      ? undefined
      : Math.max(0, Date.now() / 1000 - peer.handshakeAt),
  );
  perLink(
    'link_received_bytes',
    'Bytes that came by the tunnel since it was made.',
    (_, __, peer) => peer?.rxBytes,
  );
  perLink(
    'link_sent_bytes',
    'Bytes that left by the tunnel since it was made.',
    (_, __, peer) => peer?.txBytes,
  );
  new Gauge({
    name: `${prefix}leader`,
    help: 'Whether this gateway carries the tunnels; which WireGuard it uses.',
    labelNames: ['implementation'],
    registers,
    collect() {
      this.reset();
      const { implementation } = measured();
      if (implementation !== undefined) this.set({ implementation }, 1);
    },
  });
  new Gauge({
    name: `${prefix}refused_peers`,
    help: 'Peers that are not believed; the log and their conditions say why.',
    registers,
    collect() {
      this.set(measured().refused);
    },
  });
  return {
    applySeconds: new Histogram({
      name: `${prefix}apply_duration_seconds`,
      help: 'Time from a plan to the device, routes and firewall being so.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    }),
    changes: new Counter({
      name: `${prefix}changes_total`,
      help: 'Commands that changed something.',
      labelNames: ['kind'],
      registers,
    }),
    rotations: new Counter({
      name: `${prefix}key_rotations_total`,
      help: 'Changes of our key.',
      labelNames: ['outcome'],
      registers,
    }),
    errors: new Counter({
      name: `${prefix}errors_total`,
      help: 'What failed and is tried again.',
      labelNames: ['what'],
      registers,
    }),
  };
}
