import { fieldManagers } from '../api/names.ts';
import { peers as peerResource } from '../api/resource.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import type { DataPath } from './data-path.ts';
import type { GatewayKeys } from './key-secret.ts';
import type { KnownPeers } from './known-peers.ts';
import type { Links } from './links.ts';
import { ownPeer, ownTunnels, saysSo } from './own-peer.ts';
import { tunnelMtu } from './plan.ts';
import { takeService } from './service-endpoint.ts';
import type { Settings } from './settings.ts';
import type { Tunnel } from './tunnel.ts';

export interface OwnWordsOptions {
  readonly settings: Settings;
  /** This cluster's API. */
  readonly local: KubeClient;
  /** The hub's API. */
  readonly hub: KubeClient;
  readonly shareNamespace: string;
  readonly peers: KnownPeers;
  readonly tunnel: Tunnel;
  readonly links: Links;
  readonly dataPath: DataPath;
  readonly log: Logger;
}

/** What the active gateway writes of itself: on its Peer, and to where its Service leads. */
export class OwnWords {
  readonly #options: OwnWordsOptions;
  /** Since this gateway is the active one. */
  #tookService = false;

  constructor(options: OwnWordsOptions) {
    this.#options = options;
  }

  /** Another one may have been active before: what was written then counts no more. */
  begin(): void {
    this.#tookService = false;
  }

  /** Lets the Service lead here, where there is one, and looks by which load balancer it is reached. */
  async takeService(signal: AbortSignal): Promise<void> {
    const { local, settings } = this.#options;
    const { service, namespace, podIps = [], nodeName, listenPort: port } = settings;
    if (service === undefined) return;
    const by = { service, namespace, podIps, nodeName, port };
    await takeService(local, by, { signal, mayBeSo: this.#tookService });
    this.#tookService = true;
  }

  /** Tells the others how this gateway is reached, and its keys. */
  async say(keys: GatewayKeys, signal: AbortSignal): Promise<void> {
    const { settings, hub, shareNamespace, peers, tunnel, log } = this.#options;
    const known = peers.own;
    // A Peer is made by the hub; before that there is nothing to write on. Whoever hears of us dials at once: not before
    // there is somebody to answer.
    if (tunnel.underlay === undefined || known === undefined || !tunnel.isReady) return;
    const endpoint = tunnel.ownEndpoint();
    for (const problem of endpoint.problems) log.warn({ problem }, 'annotation of the node refused');
    const mtu = tunnelMtu(tunnel.underlay.mtu);
    const wanted = ownPeer({ ...settings, namespace: shareNamespace, endpoint, keys, mtu });
    if (saysSo(known, wanted)) return;
    await hub.apply(peerResource, wanted, { fieldManager: fieldManagers.octopus, force: true, signal });
    log.info({ endpoint: endpoint.endpoint, isPublic: endpoint.isPublic }, 'own peer written');
  }

  /** Tells what is measured. */
  async sayStatus(signal: AbortSignal): Promise<void> {
    const { settings, hub, shareNamespace, peers, links, dataPath } = this.#options;
    if (peers.own === undefined) return;
    const tunnels = ownTunnels(links.figures(), dataPath.peers, peers.acceptance.refused);
    await hub.apply(
      peerResource,
      { metadata: { namespace: shareNamespace, name: settings.clusterId }, status: { tunnels } },
      { fieldManager: fieldManagers.octopus, force: true, subresource: 'status', signal },
    );
  }
}
