import { type Condition, type KubeObject, objectKey } from '../api/meta.ts';
import { hubLabels, joinAnnotations } from '../api/names.ts';
import { joinAccountName, leaseName, memberAccountName, peerName } from '../api/object-names.ts';
import { parsePeer, peerConditions } from '../api/peer.ts';
import { leases, peers, serviceAccounts } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ProcessContext } from '../process/component.ts';
import type { Allocations } from './cidr-choice.ts';
import type { ClusterFacts } from './cluster-plan.ts';
import { accountLabel, tokenAnnotations } from './join-objects.ts';
import { LeaseWatch } from './lease-watch.ts';
import type { JoinAccount } from './removal.ts';

interface AccountView {
  readonly id: string;
  readonly uid: string;
  readonly requestedCidr: string | undefined;
  readonly objects: string | undefined;
  readonly fingerprint: string | undefined;
  /** Epoch milliseconds; 0, long over, where it cannot be read. */
  readonly expiresAt: number;
}

interface LeaseView {
  readonly id: string;
  readonly joinedWith: string | undefined;
  readonly requestedCidr: string | undefined;
  readonly formerCidr: string | undefined;
  readonly renewTime: string | undefined;
  readonly durationMs: number | undefined;
}

interface PeerView {
  readonly id: string;
  readonly uid: string | undefined;
  readonly ishub: boolean;
  readonly cidrs: readonly string[];
  /** Those that the hub writes, by type. */
  readonly conditions: ReadonlyMap<string, Condition>;
}

/** How often the proofs that the view is fresh are looked at, in milliseconds. */
const lookIntervalMs = 1_000;

/** What the hub sees in its share namespace: ServiceAccounts, Leases and Peers; never Secrets. */
export class World {
  readonly #namespace: string;
  readonly #accounts: ObjectCache<AccountView>;
  readonly #leases: ObjectCache<LeaseView>;
  readonly #peers: ObjectCache<PeerView>;
  readonly #watch = new LeaseWatch();
  readonly #told = new Map<string, string>();

  constructor(
    client: KubeClient,
    namespace: string,
    { log, metrics }: Pick<ProcessContext, 'log' | 'metrics'>,
  ) {
    this.#namespace = namespace;
    const common = { client, namespace, labelSelector: hubLabels.clusterId, log, metrics };
    this.#accounts = new ObjectCache({ ...common, resource: serviceAccounts, project: viewAccount });
    this.#leases = new ObjectCache({ ...common, resource: leases, project: viewLease });
    // The hub's own Peer, and those made by hand, have no label.
    this.#peers = new ObjectCache({
      ...common,
      labelSelector: undefined,
      resource: peers,
      project: viewPeer,
    });
  }

  /** What is missing before anything may be decided, or true. */
  get ready(): true | string {
    const missing = this.#caches().filter(cache => !cache.hasSynced).length;
    return missing === 0 ? true : `${missing} of 3 caches are not synced yet`;
  }

  async synced(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#caches().map(cache => cache.synced(signal)));
  }

  /**
   * Follows the objects until the signal is aborted.
   *
   * @param changed told of each cluster that something changed of; a lease that is only renewed is no change.
   */
  async run(changed: (id: string) => void, signal: AbortSignal): Promise<void> {
    this.#accounts.subscribe(({ before, after }) => changed(idOf(after ?? before)));
    this.#peers.subscribe(({ before, after }) => {
      const id = idOf(after ?? before);
      if (after === undefined) {
        this.#watch.forget(id);
        for (const peer of this.#peers.values()) if (peer.cidrs.length === 0) changed(peer.id);
      }
      changed(id);
    });
    this.#leases.subscribe(({ before, after }) => {
      const id = idOf(after ?? before);
      if (after === undefined) this.#watch.missing(id, performance.now());
      else this.#watch.observe(id, after, performance.now());
      if (after === undefined || before?.joinedWith !== after.joinedWith) changed(id);
    });
    const timer = setInterval(() => this.#look(changed), lookIntervalMs);
    try {
      await Promise.all(this.#caches().map(cache => cache.run(signal)));
    } finally {
      clearInterval(timer);
    }
  }

  /** See {@link LeaseWatch.startOver}. */
  startOver(): void {
    this.#watch.startOver(performance.now());
  }

  /** All clusters of which there is a ServiceAccount, a Lease or a Peer; the hub too. */
  ids(): Set<string> {
    const views = [...this.#accounts.values(), ...this.#leases.values(), ...this.#peers.values()];
    return new Set(views.map(view => view.id));
  }

  facts(id: string): ClusterFacts {
    const joining = this.#account(joinAccountName(id));
    const lease = this.#leases.get(this.#key(leaseName(id)));
    const peer = this.peer(id);
    const alive = peer?.conditions.get(peerConditions.alive);
    return {
      id,
      isMember: this.#account(memberAccountName(id)) !== undefined,
      sign: this.#watch.sign(id),
      ...(joining && {
        joining: {
          expiresAt: joining.expiresAt,
          ...(joining.fingerprint !== undefined && { fingerprint: joining.fingerprint }),
        },
      }),
      ...(lease && { lease: lease.joinedWith === undefined ? {} : { joinedWith: lease.joinedWith } }),
      ...(peer && {
        peer: {
          cidrs: peer.cidrs,
          hasCidrCondition: peer.conditions.has(peerConditions.cidrGiven),
          ...(alive && {
            alive: { value: alive.status === 'True', since: Date.parse(alive.lastTransitionTime) },
          }),
        },
      }),
    };
  }

  peer(id: string): PeerView | undefined {
    return this.#peers.get(this.#key(peerName(id)));
  }

  /** What the cluster asked for: when it joined, else when its token was made; else what it had on a hub that was lost. */
  requestedCidr(id: string): string | undefined {
    const lease = this.#leases.get(this.#key(leaseName(id)));
    return lease?.requestedCidr ?? this.#account(memberAccountName(id))?.requestedCidr ?? lease?.formerCidr;
  }

  joinAccount(id: string): JoinAccount | undefined {
    return this.#account(joinAccountName(id));
  }

  /** The CIDRs of the Peers, without the hub's, which has that of all. */
  announced(): Allocations {
    const members = [...this.#peers.values()].filter(peer => !peer.ishub && peer.cidrs.length > 0);
    return new Map(members.map(peer => [peer.id, peer.cidrs]));
  }

  /** How many clusters give which sign, for the metrics. */
  countBySign(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>(['renewing', 'silent', 'unknown'].map(sign => [sign, 0]));
    for (const peer of this.#peers.values()) {
      if (peer.ishub) continue;
      const sign = this.#watch.sign(peer.id);
      counts.set(sign, (counts.get(sign) ?? 0) + 1);
    }
    return counts;
  }

  /** Tells of clusters whose silence, or life, is certain by now. */
  #look(changed: (id: string) => void): void {
    if (this.ready !== true) return;
    this.#watch.proveFresh(this.#leases.lastContact);
    for (const peer of this.#peers.values()) {
      if (!peer.ishub && !this.#leases.get(this.#key(leaseName(peer.id)))) {
        this.#watch.missing(peer.id, performance.now());
      }
    }
    for (const id of this.#watch.ids()) {
      const sign = this.#watch.sign(id);
      if (this.#told.get(id) === sign) continue;
      this.#told.set(id, sign);
      changed(id);
    }
  }

  #account(name: string): AccountView | undefined {
    return this.#accounts.get(this.#key(name));
  }

  #key(name: string): string {
    return objectKey(this.#namespace, name);
  }

  #caches(): readonly Pick<ObjectCache<unknown>, 'run' | 'synced' | 'hasSynced'>[] {
    return [this.#accounts, this.#leases, this.#peers];
  }
}

function idOf(view: { readonly id: string } | undefined): string {
  return view?.id ?? '';
}

function viewAccount({ metadata }: KubeObject): AccountView | undefined {
  const id = metadata.labels?.[hubLabels.clusterId];
  const account = metadata.labels?.[accountLabel];
  if (id === undefined || (account !== 'member' && account !== 'join')) return undefined;
  const annotations = metadata.annotations ?? {};
  return {
    id,
    uid: metadata.uid ?? '',
    requestedCidr: annotations[joinAnnotations.requestedCidr],
    objects: annotations[tokenAnnotations.objects],
    fingerprint: annotations[tokenAnnotations.fingerprint],
    expiresAt: Date.parse(annotations[tokenAnnotations.expiresAt] ?? '') || 0,
  };
}

/** Leases that are not named after their cluster are none of ours. */
function viewLease({ metadata, spec }: KubeObject): LeaseView | undefined {
  const id = metadata.labels?.[hubLabels.clusterId];
  if (id === undefined || metadata.name !== leaseName(id)) return undefined;
  const { renewTime, leaseDurationSeconds } = (spec ?? {}) as Record<string, unknown>;
  const annotations = metadata.annotations ?? {};
  return {
    id,
    joinedWith: annotations[joinAnnotations.joinedWith],
    requestedCidr: annotations[joinAnnotations.requestedCidr],
    formerCidr: annotations[joinAnnotations.formerCidr],
    renewTime: typeof renewTime === 'string' ? renewTime : undefined,
    durationMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1000 : undefined,
  };
}

export function viewPeer(object: KubeObject): PeerView {
  const { metadata, spec, status } = parsePeer(object);
  const ours = new Set<string>(Object.values(peerConditions));
  return {
    id: spec.cluster_id,
    uid: metadata.uid,
    ishub: spec.ishub,
    cidrs: spec.cluster_cidr,
    conditions: new Map(
      status.conditions.filter(({ type }) => ours.has(type)).map(condition => [condition.type, condition]),
    ),
  };
}
