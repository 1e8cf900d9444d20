import { parsePeer } from '../api/peer.ts';
import { peers } from '../api/resource.ts';
import { type Cidr, formatCidr, parseCidr } from '../ipam/cidr.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import { type Network, type NetworkMode, planNetwork, sameNetwork } from './network.ts';

/** Where the cluster's network is known from. */
export interface NetworkSource {
  /** Undefined while it is not known. */
  readonly current: Network | undefined;
  /** What is missing, for people. */
  readonly problem: string | undefined;
  /** @returns ends the subscription. */
  subscribe(onChange: () => void): () => void;
}

/** A network that flags say; it never changes. @throws RangeError with what is wrong. */
export function fixedNetwork(
  cidrs: readonly Cidr[],
  globals: readonly Cidr[],
  mode: NetworkMode | undefined,
): NetworkSource {
  const network = planNetwork(cidrs, globals, mode);
  if (typeof network === 'string') throw new RangeError(`Cannot use the CIDRs given as ${network}`);
  return { current: network, problem: undefined, subscribe: () => () => {} };
}

interface PeerBlocks {
  readonly clusterId: string;
  readonly isHub: boolean;
  readonly cidrs: readonly Cidr[];
}

/** The network that the hub gave: its own Peer has the blocks of all clusters, the cluster's Peer those of the cluster. */
export class HubNetwork implements NetworkSource {
  readonly #peers: ObjectCache<PeerBlocks>;
  readonly #clusterId: string;
  readonly #mode: NetworkMode | undefined;
  readonly #subscribers = new Set<() => void>();
  #current: Network | undefined;
  #problem: string | undefined = 'the Peers of the hub are not known yet';

  constructor(options: {
    readonly client: KubeClient;
    readonly shareNamespace: string;
    readonly clusterId: string;
    readonly mode: NetworkMode | undefined;
    readonly log: Logger;
  }) {
    this.#clusterId = options.clusterId;
    this.#mode = options.mode;
    this.#peers = new ObjectCache<PeerBlocks>({
      client: options.client,
      resource: peers,
      namespace: options.shareNamespace,
      project: object => {
        const { spec } = parsePeer(object);
        const cidrs = spec.cluster_cidr.flatMap(text => parseCidr(text) ?? []);
        const isOfUse = spec.ishub || spec.cluster_id === options.clusterId;
        return isOfUse ? { clusterId: spec.cluster_id, isHub: spec.ishub, cidrs } : undefined;
      },
      log: options.log,
    });
    this.#peers.subscribe(() => this.#plan());
  }

  get current(): Network | undefined {
    return this.#current;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  subscribe(onChange: () => void): () => void {
    this.#subscribers.add(onChange);
    return () => this.#subscribers.delete(onChange);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#peers.run(signal);
  }

  /** What was known stays known: a Peer that is missing for a moment takes no network away. */
  #plan(): void {
    const known = [...this.#peers.values()];
    const globals = known.filter(({ isHub }) => isHub).flatMap(({ cidrs }) => cidrs);
    const own = known.filter(({ clusterId }) => clusterId === this.#clusterId).flatMap(({ cidrs }) => cidrs);
    const network = planNetwork(own, globals, this.#mode);
    if (typeof network === 'string') {
      this.#problem = `the hub's Peers must give the network: ${network} (own: ${own.map(formatCidr).join(', ') || 'none'})`;
      return;
    }
    this.#problem = undefined;
    if (this.#current !== undefined && sameNetwork(this.#current, network)) return;
    this.#current = network;
    for (const onChange of this.#subscribers) onChange();
  }
}
