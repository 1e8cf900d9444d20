import type { Registry } from 'prom-client';
import { objectKey } from '../api/meta.ts';
import type { Peer } from '../api/peer.ts';
import { peers as peerResource } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import { type Acceptance, acceptPeers, claimOf } from './accepted-peers.ts';
import { samePeer, viewPeer } from './peer-view.ts';

export interface KnownPeersOptions {
  readonly hub: KubeClient;
  readonly namespace: string;
  readonly self: string;
  readonly maxPeers: number;
  readonly log: Logger;
  readonly registry: Registry;
}

/** Refusals that are logged in one go at most: a flood of Peers must not be one of lines. */
const loggedAtOnce = 100;

/** The Peers of the hub, and which of them are believed. */
export class KnownPeers {
  readonly #options: KnownPeersOptions;
  readonly #cache: ObjectCache<Peer>;
  #believed: ReadonlyMap<string, string> = new Map();
  #acceptance: Acceptance = { sites: new Map(), globals: [], refused: [] };

  constructor(options: KnownPeersOptions) {
    const { hub, namespace, log, registry } = options;
    this.#options = options;
    this.#cache = new ObjectCache({
      client: hub,
      resource: peerResource,
      namespace,
      project: viewPeer,
      unchanged: samePeer,
      log,
      metrics: registry,
    });
  }

  get hasSynced(): boolean {
    return this.#cache.hasSynced;
  }

  /** Our own; undefined before the hub has made it. */
  get own(): Peer | undefined {
    return this.#cache.get(this.#ownKey);
  }

  get all(): Iterable<Peer> {
    return this.#cache.values();
  }

  /** As it was decided the last time. */
  get acceptance(): Acceptance {
    return this.#acceptance;
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#cache.run(signal);
  }

  synced(signal: AbortSignal): Promise<void> {
    return this.#cache.synced(signal);
  }

  /** @param onChange told whether the Peer is our own. */
  subscribe(onChange: (isOwn: boolean) => void): void {
    this.#cache.subscribe(({ key }) => onChange(key === this.#ownKey));
  }

  /** Decides anew who is believed. @param ownKeys public keys that are ours, told or not. */
  accept(ownKeys: readonly string[]): Acceptance {
    const { self, maxPeers, log } = this.#options;
    const peers = [...this.#cache.values()];
    const before = new Map(this.#acceptance.refused.map(({ id, message }) => [id, message]));
    const acceptance = acceptPeers(peers, { self, maxPeers, before: this.#believed, ownKeys });
    this.#acceptance = acceptance;
    const believed = peers.filter(({ spec }) => acceptance.sites.has(spec.cluster_id));
    this.#believed = new Map(believed.map(peer => [peer.spec.cluster_id, claimOf(peer)]));
    for (const { id, reason, message } of acceptance.refused.slice(0, loggedAtOnce)) {
      if (before.get(id) !== message) log.warn({ cluster: id, reason, problem: message }, 'peer refused');
    }
    return acceptance;
  }

  get #ownKey(): string {
    return objectKey(this.#options.namespace, this.#options.self);
  }
}
