import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../process/log.ts';
import type { Acceptance } from './accepted-peers.ts';
import type { DataPath } from './data-path.ts';
import { peersById } from './device-diff.ts';
import { EndpointLookup } from './endpoint-lookup.ts';
import type { Target } from './host-port.ts';
import { presharedKey } from './key.ts';
import type { GatewayKeys } from './key-secret.ts';
import type { KnownPeers } from './known-peers.ts';
import type { Links } from './links.ts';
import { ListenPort } from './listen-port.ts';
import { type NodeFacts, type OwnEndpoint, ownEndpoint } from './own-endpoint.ts';
import { type DevicePlan, planDevice } from './plan.ts';
import type { Probing } from './probing.ts';
import type { Settings } from './settings.ts';
import { StaleSessions } from './stale-sessions.ts';
import { type Link, linksOf } from './topology.ts';
import { UnansweredCalls } from './unanswered-calls.ts';

export interface TunnelOptions {
  readonly settings: Settings;
  readonly peers: KnownPeers;
  readonly links: Links;
  readonly dataPath: DataPath;
  readonly probing: Probing;
  readonly node: () => NodeFacts | undefined;
  /** Something changed that nobody else tells of: {@link Tunnel.bring} is wanted, in so many milliseconds. */
  readonly onWork: (inMs: number) => void;
  /** The underlay has another MTU, or other addresses; or the load balancer is another. */
  readonly onMoved: () => void;
  /** Who dials is answered from now on. */
  readonly onReady: () => void;
  readonly log: Logger;
}

export interface Underlay {
  readonly mtu: number;
  readonly addresses: readonly string[];
}

/** The tunnel device and all that belongs to it, brought to what is known now: plan, difference, apply. */
export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #lookup: EndpointLookup;
  readonly #listenPort = new ListenPort();
  readonly #stale = new StaleSessions();
  readonly #calls = new UnansweredCalls();
  #underlay: Underlay | undefined;
  #balancer: Target | undefined;
  #isReady = false;
  #isDoubtful = false;
  /** What is missing for packets to flow, as it was logged; undefined while nothing is. */
  #problem: string | undefined;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#lookup = new EndpointLookup({ onChange: () => options.onWork(0), log: options.log });
  }

  /** Of the last {@link bring}. */
  get underlay(): Underlay | undefined {
    return this.#underlay;
  }

  /** Whether the device that there is has got its peers: who dials is answered. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** This gateway becomes the active one. */
  begin(): void {
    this.#listenPort.renew();
    this.deviceIsNew();
  }

  /** The device is another one, which has nothing yet. */
  deviceIsNew(): void {
    this.#isReady = false;
    this.#options.onWork(0);
  }

  /** While it is doubtful whether this gateway is the only one, sessions are not made anew. */
  setDoubtful(isDoubtful: boolean): void {
    this.#isDoubtful = isDoubtful;
  }

  /** A link that we dial lost a probe. */
  doubt(clusterId: string): void {
    this.#stale.doubt(clusterId);
    this.#options.onWork(0);
  }

  /** Looks the names of endpoints up again. */
  lookAgain(): void {
    void this.#lookup.refresh(this.#options.links.dead);
  }

  /** How others reach this gateway. */
  ownEndpoint(): OwnEndpoint {
    const { settings, node } = this.#options;
    return ownEndpoint(settings.own, node(), this.#underlay?.addresses ?? [], this.#balancer);
  }

  /** A load balancer that leads here, or none any more. */
  setBalancer(balancer: Target | undefined): void {
    if (isDeepStrictEqual(this.#balancer, balancer)) return;
    this.#balancer = balancer;
    this.#options.onMoved();
  }

  /** Does what is missing now. */
  async bring(keys: GatewayKeys, signal: AbortSignal): Promise<void> {
    const { settings, peers, links, dataPath, probing } = this.#options;
    if (dataPath.implementation === undefined) return;
    const [state, underlay] = await Promise.all([dataPath.read(signal), dataPath.underlay(signal)]);
    this.#note(underlay);
    const ownKeys = [keys.current, ...(keys.next ? [keys.next] : [])].map(({ publicKey }) => publicKey);
    const acceptance = peers.accept(ownKeys);
    const topology = linksOf(settings.clusterId, acceptance, settings.granularity);
    const inUse = new Map([...state.wireguard.peers.values()].map(peer => [peer.key, peer.allowed]));
    links.set(topology, id => (inUse.get(acceptance.sites.get(id)?.key ?? '') ?? []).length > 1);
    const plan = this.#plan(acceptance, topology, underlay);
    const { stale, dead } = this.#toDialAnew(peersById(plan, state.wireguard));
    const { privateKey } = keys.current;
    const wasReady = this.#isReady;
    const { hasChanged, dialled } = await dataPath
      .apply(plan, state, { privateKey, dead, stale, signal })
      .finally(() => {
        // Peers are set first; what fails after them, as addresses do without IPv6, keeps nobody from being reached.
        this.#isReady = true;
        if (!wasReady) this.#options.onReady();
      });
    this.#calls.made(dialled, performance.now());
    await probing.keep(topology.map(({ site }) => site.id));
    this.#noteMissing(acceptance);
    // A tunnel is made by the first packet: now, not at the next probe.
    if (hasChanged) links.poke();
    const next = this.#calls.nextIn(performance.now());
    if (next !== undefined) this.#options.onWork(next);
  }

  #plan(acceptance: Acceptance, topology: readonly Link[], underlay: Underlay): DevicePlan {
    const { settings, links } = this.#options;
    const { meshKey } = settings;
    const own = this.ownEndpoint();
    const targets = new Map(
      topology.flatMap(({ site, dial }) => (dial === undefined ? [] : [[site.id, dial] as const])),
    );
    this.#lookup.set(targets, acceptance.globals);
    const { dead } = links;
    const listenPort = this.#listenPort.choose({
      usual: settings.listenPort,
      isFree: !own.isPublic && own.internal === undefined,
      isCutOff: [...targets.keys()].some(id => dead.has(id)),
      now: performance.now(),
      random: Math.random(),
    });
    return planDevice({
      local: {
        ...settings,
        listenPort,
        id: settings.clusterId,
        underlayMtu: underlay.mtu,
        keepalive: own.keepalive,
        managesClusterAddress: settings.clusterAddress === 'manage',
      },
      acceptance,
      links: topology,
      relayed: links.relayed,
      changedKeys: links.changedKeys,
      dialled: this.#lookup.endpoints,
      // The hub has no part in the secret of the members.
      ...(meshKey && {
        presharedKeyOf: site =>
          site.isHub || settings.isHub ? undefined : presharedKey(meshKey, settings.clusterId, site.id),
      }),
    });
  }

  #toDialAnew(known: ReturnType<typeof peersById>) {
    const { links } = this.#options;
    const stale = this.#stale.look(known, links.figures());
    const unanswered = this.#calls.look(known, performance.now());
    return { dead: links.dead, stale: new Set(this.#isDoubtful ? [] : [...stale, ...unanswered]) };
  }

  #note(underlay: Underlay): void {
    const before = this.#underlay;
    this.#underlay = underlay;
    const isSame = before?.mtu === underlay.mtu && before.addresses.join() === underlay.addresses.join();
    if (!isSame) this.#options.onMoved();
  }

  #noteMissing(acceptance: Acceptance): void {
    const problem = missing(acceptance, this.#options.settings);
    if (problem !== undefined && problem !== this.#problem)
      this.#options.log.info({ problem }, 'no packets can flow yet');
    this.#problem = problem;
  }
}

function missing({ sites, hub }: Acceptance, { clusterId, isHub }: Settings): string | undefined {
  const self = sites.get(clusterId);
  if (self === undefined) return `the hub must have a Peer for ${clusterId} that can be accepted`;
  if (!isHub && self.cidrs.length === 0) return 'the hub must have given a CIDR to this cluster';
  return hub === undefined ? 'there must be a Peer of the hub' : undefined;
}
