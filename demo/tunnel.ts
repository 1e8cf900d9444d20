import { shareNamespace } from '../api/names.ts';
import { parsePeer, type Tunnel } from '../api/peer.ts';
import { until } from '../lab/until.ts';
import type { Cluster } from './cluster.ts';

/**
 * Waits until packets of a cluster go to another one by a tunnel of their own, in both directions.
 *
 * @returns that tunnel as the first cluster's gateway tells of it on the hub.
 */
export async function directTunnel(hub: Cluster, from: string, to: string): Promise<Tunnel> {
  let seen = '';
  return until(
    async () => {
      const [there, back] = await Promise.all([tunnelOf(hub, from, to), tunnelOf(hub, to, from)]);
      seen = JSON.stringify({ there, back });
      return isDirect(there) && isDirect(back) && there;
    },
    {
      what: `a direct tunnel between ${from} and ${to}`,
      timeout: 180_000,
      interval: 300,
      signal: hub.signal,
      detail: () => `${seen}; the gateways' logs say more`,
    },
  );
}

/** The tunnel of one cluster to another, where it has any. */
export async function tunnelOf(hub: Cluster, from: string, to: string): Promise<Tunnel | undefined> {
  const text = await hub.kubectl(['get', 'peer', from, '-n', shareNamespace, '-o', 'json']);
  return parsePeer(JSON.parse(text)).status.tunnels.find(tunnel => tunnel.cluster_id === to);
}

function isDirect(tunnel: Tunnel | undefined): tunnel is Tunnel {
  return tunnel?.state === 'Connected' && tunnel.path === 'Direct';
}
