/** Peers for tests, from few words. */
import { createHash } from 'node:crypto';
import { gatewayAnnotations } from '../../api/names.ts';
import { gatewayConditions, type Peer } from '../../api/peer.ts';

export interface PeerWords {
  readonly cidr?: string | readonly string[];
  /** `false`: its gateway has not run yet. */
  readonly key?: string | false;
  readonly nextKey?: string;
  readonly endpoint?: string;
  readonly port?: number;
  /** Where there is an endpoint, `true` if nothing is said. */
  readonly isPublic?: boolean;
  readonly hub?: boolean;
  readonly location?: string;
  readonly internal?: string;
  readonly leader?: boolean;
  readonly notReady?: boolean;
  readonly granularity?: string;
  readonly mtu?: number;
  /** Year of its making. */
  readonly made?: number;
}

/** A public key that nobody has the private one of, the same for the same text. */
export function keyOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest();
  return bytes.toString('base64');
}

export function peer(id: string, words: PeerWords = {}): Peer {
  const { cidr = [], key, endpoint, hub = false, isPublic = endpoint !== undefined } = words;
  const annotations: Record<string, string> = {
    ...(words.location !== undefined && { [gatewayAnnotations.location]: words.location }),
    ...(words.internal !== undefined && { [gatewayAnnotations.forceInternalIp]: words.internal }),
    ...(words.leader && { [gatewayAnnotations.leader]: 'true' }),
    ...(words.granularity !== undefined && { [gatewayAnnotations.granularity]: words.granularity }),
    ...(words.mtu !== undefined && { [gatewayAnnotations.mtu]: String(words.mtu) }),
  };
  const notReady = {
    type: gatewayConditions.gatewayReady,
    status: 'False',
    reason: 'NoAnswer',
    message: 'silent',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  } as const;
  return {
    metadata: {
      name: id,
      labels: {},
      annotations,
      creationTimestamp: `${words.made ?? 2025}-01-01T00:00:00Z`,
    },
    spec: {
      cluster_id: id,
      cluster_cidr: typeof cidr === 'string' ? [cidr] : cidr,
      ishub: hub,
      isPublic,
      ...(endpoint !== undefined && { endpoint }),
      ...(words.port !== undefined && { port: words.port }),
      ...(key !== false && { public_key: key ?? keyOf(id) }),
      ...(words.nextKey !== undefined && { next_public_key: words.nextKey }),
    },
    status: { conditions: words.notReady ? [notReady] : [], tunnels: [] },
  };
}

/** A hub at 198.51.100.1 with the contract's block. */
export function hubPeer(words: PeerWords = {}): Peer {
  return peer('hub', { hub: true, cidr: '10.112.0.0/12', endpoint: '198.51.100.1', ...words });
}
