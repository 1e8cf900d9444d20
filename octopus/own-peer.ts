/** What a gateway says of its cluster on the hub. Pure. */

import type { KubeObject } from '../api/meta.ts';
import { gatewayAnnotations, hubLabels } from '../api/names.ts';
import type { Peer, Tunnel } from '../api/peer.ts';
import type { Granularity } from './accepted-peers.ts';
import type { PeerState } from './device-state.ts';
import type { GatewayKeys } from './key-secret.ts';
import type { Path } from './link-message.ts';
import type { LinkFigures } from './link-meter.ts';
import type { OwnEndpoint } from './own-endpoint.ts';

export interface OwnWords {
  readonly clusterId: string;
  readonly isHub: boolean;
  readonly namespace: string;
  readonly endpoint: OwnEndpoint;
  readonly keys: GatewayKeys;
  readonly mtu: number;
  readonly granularity: Granularity;
}

/** The fields of the Peer that are the gateway's, for a server-side apply. */
export function ownPeer(words: OwnWords): KubeObject {
  const { clusterId, isHub, namespace, endpoint, keys, mtu, granularity } = words;
  const annotations: Record<string, string> = {
    [gatewayAnnotations.mtu]: String(mtu),
    ...(endpoint.location !== '' && { [gatewayAnnotations.location]: endpoint.location }),
    ...(endpoint.internal !== undefined && { [gatewayAnnotations.forceInternalIp]: endpoint.internal }),
    ...(endpoint.wantsToLead && { [gatewayAnnotations.leader]: 'true' }),
    ...(isHub && { [gatewayAnnotations.granularity]: granularity }),
  };
  return {
    // The label is what the hub's policy knows a cluster's objects by; the hub's own Peer has it from the hub.
    metadata: { namespace, name: clusterId, annotations, labels: { [hubLabels.clusterId]: clusterId } },
    spec: {
      cluster_id: clusterId,
      public_key: keys.current.publicKey,
      next_public_key: keys.next?.publicKey ?? '',
      endpoint: endpoint.endpoint?.host ?? '',
      ...(endpoint.endpoint && { port: endpoint.endpoint.port }),
      isPublic: endpoint.isPublic,
    },
  };
}

/** Whether the Peer says already what it should. */
export function saysSo(peer: Peer, wanted: KubeObject): boolean {
  const { spec, metadata } = peer;
  const want = wanted.spec as Record<string, unknown>;
  const annotations = wanted.metadata.annotations ?? {};
  const known = Object.values(gatewayAnnotations) as string[];
  return (
    spec.public_key === want.public_key &&
    (spec.next_public_key ?? '') === want.next_public_key &&
    (spec.endpoint ?? '') === want.endpoint &&
    spec.port === want.port &&
    spec.isPublic === want.isPublic &&
    known.every(name => metadata.annotations[name] === annotations[name])
  );
}

/** Entries at most, as the CRD has it. */
const maxTunnels = 1_024;

/** What is measured of each tunnel, as the Peer's status has it. */
export function ownTunnels(
  links: ReadonlyMap<string, LinkFigures & { readonly path: Path }>,
  peers: ReadonlyMap<string, PeerState>,
  refused: readonly { readonly id: string; readonly message: string }[],
): Tunnel[] {
  const micro = (ms: number) => Math.round(ms * 1000);
  const tunnels: Tunnel[] = [...links].map(([id, { state, rtt, loss, path }]) => {
    const peer = peers.get(id);
    return {
      cluster_id: id,
      state,
      path: path === 'direct' ? 'Direct' : 'Relayed',
      loss_percent: Math.round(loss * 100),
      ...(peer?.endpoint !== undefined && { endpoint: peer.endpoint }),
      ...(peer && { rx_bytes: peer.rxBytes, tx_bytes: peer.txBytes }),
      ...(peer &&
        peer.handshakeAt > 0 && {
          last_handshake: `${new Date(peer.handshakeAt * 1000).toISOString().slice(0, 19)}Z`,
        }),
      ...(rtt && { rtt_min_us: micro(rtt.min), rtt_avg_us: micro(rtt.average), rtt_max_us: micro(rtt.max) }),
    };
  });
  for (const { id, message } of refused) {
    if (!links.has(id)) tunnels.push({ cluster_id: id, state: 'Failed', message: message.slice(0, 1_024) });
  }
  return tunnels.sort((a, b) => (a.cluster_id < b.cluster_id ? -1 : 1)).slice(0, maxTunnels);
}
