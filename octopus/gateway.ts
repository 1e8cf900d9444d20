import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { fieldManagers } from '../api/names.ts';
import { peers as peerResource } from '../api/resource.ts';
import { parseCidr } from '../ipam/cidr.ts';
import type { KubeClient } from '../kube/client.ts';
import { Controller, type Requeue } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';
import type { Acceptance } from './accepted-peers.ts';
import { DataPath } from './data-path.ts';
import { peersById } from './device-diff.ts';
import { EndpointLookup } from './endpoint-lookup.ts';
import { HubWords } from './hub-words.ts';
import { presharedKey } from './key.ts';
import { type GatewayKeys, KeySecret } from './key-secret.ts';
import { KnownPeers } from './known-peers.ts';
import { Links } from './links.ts';
import { ListenPort } from './listen-port.ts';
import { type GatewayMetrics, gatewayMetrics } from './metrics.ts';
import { type NodeFacts, type OwnEndpoint, ownEndpoint } from './own-endpoint.ts';
import { ownPeer, ownTunnels, saysSo } from './own-peer.ts';
import { gatewayAddresses, planDevice, tunnelMtu } from './plan.ts';
import { ProbeSocket } from './probe-socket.ts';
import { Rotation } from './rotation.ts';
import { takeService } from './service-endpoint.ts';
import type { Settings } from './settings.ts';
import { StaleSessions } from './stale-sessions.ts';
import { linksOf } from './topology.ts';
import { UnansweredCalls } from './unanswered-calls.ts';
import { watchKernel } from './watch-kernel.ts';

export interface GatewayOptions {
  readonly settings: Settings;
  /** This cluster's API: keys, lease. */
  readonly local: KubeClient;
  /** The hub's API: Peers. */
  readonly hub: KubeClient;
  readonly shareNamespace: string;
  readonly node: () => NodeFacts | undefined;
  readonly log: Logger;
  readonly registry: Registry;
}

/** Everything is looked at again after so long, whatever was or was not told of. Milliseconds. */
const resyncMs = 15_000;
/** What is measured is written down this often where nothing else changes. Milliseconds. */
const statusMs = 30_000;

/** One gateway: what it knows, and while it is the active one, what it does. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #log: Logger;
  readonly #peers: KnownPeers;
  readonly #secret: KeySecret;
  readonly #dataPath: DataPath;
  readonly #links: Links;
  readonly #lookup: EndpointLookup;
  readonly #controller: Controller;
  readonly #metrics: GatewayMetrics;
  readonly #hubWords: HubWords | undefined;
  #keys: GatewayKeys | undefined;
  #socket: ProbeSocket | undefined;
  #underlay: { readonly mtu: number; readonly addresses: readonly string[] } | undefined;
  /** What is missing for packets to flow, as it was logged; undefined while nothing is. */
  #problem: string | undefined;
  #hasNewDevice = true;
  #isDoubtful = false;
  /** Since this gateway is the active one. */
  #tookService = false;
  readonly #listenPort = new ListenPort();
  readonly #stale = new StaleSessions();
  readonly #calls = new UnansweredCalls();

  constructor(options: GatewayOptions) {
    const { settings, hub, local, shareNamespace, log, registry } = options;
    this.#options = options;
    this.#log = log;
    this.#metrics = gatewayMetrics(registry, () => ({
      links: this.#links.figures(),
      peers: this.#dataPath.peers,
      refused: this.#peers.acceptance.refused.length,
      implementation: this.#dataPath.implementation,
    }));
    this.#peers = new KnownPeers({
      hub,
      namespace: shareNamespace,
      self: settings.clusterId,
      maxPeers: settings.maxPeers,
      log,
      registry,
    });
    this.#secret = new KeySecret(local, settings.namespace, settings.keySecret);
    this.#dataPath = new DataPath({ ...settings, log, metrics: this.#metrics });
    this.#controller = new Controller({
      name: 'octopus',
      reconcile: (key, signal) => this.#reconcile(key, signal),
      // Words to the hub, which may be away, hold up no tunnel.
      concurrency: 4,
      backoff: { minMs: 100, maxMs: 15_000 },
      log,
      metrics: registry,
    });
    this.#links = new Links({
      self: settings.clusterId,
      intervalMs: settings.probeInterval,
      send: (id, message) => this.#socket?.send(id, message),
      onChange: () => {
        this.#controller.enqueue('tunnel');
        this.#controller.enqueue('status');
      },
      onStale: id => {
        this.#stale.doubt(id);
        this.#controller.enqueue('tunnel');
      },
      onState: (id, { state }) => {
        log.info({ cluster: id, state }, 'link changed its state');
        this.#controller.enqueue('status');
        this.#controller.enqueue('tunnel');
      },
    });
    this.#lookup = new EndpointLookup({ onChange: () => this.#controller.enqueue('tunnel'), log });
    this.#hubWords = settings.isHub
      ? new HubWords({ client: hub, namespace: shareNamespace, self: settings.clusterId })
      : undefined;
    this.#peers.subscribe(isOwn => {
      this.#controller.enqueue('tunnel');
      if (isOwn) this.#controller.enqueue('words');
      if (this.#hubWords !== undefined) this.#controller.enqueue('hub-words');
    });
  }

  /** What is missing, or true. A standby that knows everything is ready. */
  get readiness(): true | string {
    return this.#peers.hasSynced ? true : 'the Peers of the hub are not known yet';
  }

  /** Whether anybody answers at the other end of the tunnels; where nobody was ever there, so it is. */
  get isHeard(): boolean {
    const figures = [...this.#links.figures().values()].filter(({ answeredAt }) => answeredAt !== undefined);
    return figures.length === 0 || figures.some(({ state }) => state === 'Connected');
  }

  /**
   * While another gateway may have taken over, sessions are not made anew: each of the two would take them from the other,
   * and neither would learn that it is not heard.
   */
  setDoubtful(isDoubtful: boolean): void {
    this.#isDoubtful = isDoubtful;
  }

  /** Follows the hub, active or not. */
  follow(signal: AbortSignal): Promise<void> {
    return this.#peers.run(signal);
  }

  prepared(signal: AbortSignal): Promise<void> {
    return this.#peers.synced(signal);
  }

  /** Something about the node changed. */
  nodeChanged(): void {
    this.#controller.enqueue('words');
    this.#controller.enqueue('tunnel');
  }

  /** Takes away what a former life left, before this gateway is active: another one may be. */
  async clear(): Promise<void> {
    const { clusterAddress } = this.#options.settings;
    const { cluster_cidr: own = [] } = this.#peers.own?.spec ?? {};
    await this.#dataPath.close(
      clusterAddress === 'manage' ? gatewayAddresses(own.flatMap(text => parseCidr(text) ?? [])) : [],
    );
  }

  /** Carries the tunnels until the signal is aborted, then takes them away. */
  async carry(signal: AbortSignal): Promise<void> {
    const { settings } = this.#options;
    this.#keys = await this.#secret.open(signal);
    this.#tookService = false;
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    const rotation = new Rotation({
      settings,
      secret: this.#secret,
      links: this.#links,
      keys: () => this.#keys,
      use: async keys => {
        const isSwitch = keys.current.publicKey !== this.#keys?.current.publicKey;
        this.#keys = keys;
        this.#links.nextKey = keys.next?.publicKey;
        if (isSwitch) await this.#dataPath.changeKey(keys.current.privateKey, until);
        this.#links.poke();
        this.#controller.enqueue('tunnel');
        this.#controller.enqueue('words');
      },
      isTold: key => this.#peers.own?.spec.next_public_key === key,
      metrics: this.#metrics,
      log: this.#log,
    });
    this.#links.nextKey = this.#keys.next?.publicKey;
    const parts = [
      this.#keepDevice(until),
      this.#controller.run(until),
      rotation.run(until),
      this.#every(settings.probeInterval, until, () => this.#links.probe()),
      this.#every(settings.lookupInterval, until, () => void this.#lookup.refresh(this.#links.dead)),
      this.#every(resyncMs, until, () => this.#enqueueAll()),
      watchKernel(() => this.#controller.enqueueAfter('tunnel', 20), this.#log, until),
    ];
    for (const part of parts) part.catch(error => stop.abort(error));
    this.#enqueueAll();
    await Promise.allSettled(parts);
    await this.#closeSocket();
    this.#links.close();
    await this.#dataPath.close();
    if (!signal.aborted) throw stop.signal.reason;
  }

  #enqueueAll(): void {
    for (const key of ['tunnel', 'service', 'words', 'status']) this.#controller.enqueue(key);
    if (this.#hubWords !== undefined) this.#controller.enqueue('hub-words');
  }

  async #every(ms: number, signal: AbortSignal, work: () => void): Promise<void> {
    while (!signal.aborted) {
      await sleep(ms, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) work();
    }
  }

  /** Makes the device, and makes it again where it is lost. */
  async #keepDevice(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>(resolve =>
      signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    while (!signal.aborted) {
      const device = await this.#dataPath.open(signal);
      this.#hasNewDevice = true;
      await this.#closeSocket();
      this.#controller.enqueue('tunnel');
      await Promise.race([device.lost, aborted]);
      if (signal.aborted) return;
      this.#log.error({ device: device.name }, 'tunnel device is lost, it is made again');
      this.#metrics.errors.inc({ what: 'device' });
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<Requeue | undefined> {
    try {
      if (key === 'tunnel') await this.#reconcileTunnel(signal);
      else if (key === 'service') await this.#takeService(signal);
      else if (key === 'words') await this.#sayOwnWords(signal);
      else if (key === 'status') return await this.#sayStatus(signal);
      else
        return await this.#hubWords?.say(
          this.#peers.all,
          this.#peers.acceptance,
          this.#links.figures(),
          signal,
        );
      return undefined;
    } catch (error) {
      if (!signal.aborted) this.#metrics.errors.inc({ what: key });
      throw error;
    }
  }

  /** Plan, difference, apply: from everything that is known now. */
  async #reconcileTunnel(signal: AbortSignal): Promise<void> {
    const { settings, node } = this.#options;
    const keys = this.#keys;
    if (this.#dataPath.implementation === undefined || keys === undefined) return;
    const [state, underlay] = await Promise.all([
      this.#dataPath.read(signal),
      this.#dataPath.underlay(signal),
    ]);
    this.#noteUnderlay(underlay);
    const ownKeys = [keys.current, ...(keys.next ? [keys.next] : [])].map(({ publicKey }) => publicKey);
    const acceptance = this.#peers.accept(ownKeys);
    const links = linksOf(settings.clusterId, acceptance, settings.granularity);
    const own = ownEndpoint(settings.own, node(), underlay.addresses);
    const inUse = new Map([...state.wireguard.peers.values()].map(peer => [peer.key, peer.allowed]));
    this.#links.set(links, id => {
      const allowed = inUse.get(acceptance.sites.get(id)?.key ?? '') ?? [];
      return allowed.length > 1;
    });
    const targets = new Map(
      links.flatMap(({ site, dial }) => (dial === undefined ? [] : [[site.id, dial] as const])),
    );
    this.#lookup.set(targets, acceptance.globals);
    const changedKeys = this.#links.changedKeys;
    const { meshKey } = settings;
    const dead = this.#links.dead;
    const listenPort = this.#listenPort.choose({
      usual: settings.listenPort,
      isFree: !own.isPublic && own.internal === undefined,
      isCutOff: [...targets.keys()].some(id => dead.has(id)),
      now: performance.now(),
      random: Math.random(),
    });
    const plan = planDevice({
      local: {
        ...settings,
        listenPort,
        id: settings.clusterId,
        underlayMtu: underlay.mtu,
        keepalive: own.keepalive,
        managesClusterAddress: settings.clusterAddress === 'manage',
      },
      acceptance,
      links,
      relayed: this.#links.relayed,
      changedKeys,
      dialled: this.#lookup.endpoints,
      // The hub has no part in the secret of the members.
      ...(meshKey && {
        presharedKeyOf: site =>
          site.isHub || settings.isHub ? undefined : presharedKey(meshKey, settings.clusterId, site.id),
      }),
    });
    const { privateKey } = keys.current;
    const peers = peersById(plan, state.wireguard);
    const found = this.#stale.look(peers, this.#links.figures());
    const again = this.#calls.look(peers, performance.now());
    const stale = this.#isDoubtful ? new Set<string>() : new Set([...found, ...again]);
    const { hasChanged, dialled } = await this.#dataPath.apply(plan, state, {
      privateKey,
      dead,
      stale,
      signal,
    });
    this.#calls.made(dialled, performance.now());
    await this.#keepSocket(links.map(({ site }) => site.id));
    this.#note(this.#missing(acceptance));
    // A tunnel is made by the first packet: now, not at the next probe.
    if (hasChanged) this.#links.poke();
    const next = this.#calls.nextIn(performance.now());
    if (next !== undefined) this.#controller.enqueueAfter('tunnel', next);
    if (!this.#hasNewDevice) return;
    this.#hasNewDevice = false;
    // Whoever hears of us dials at once: not before there is somebody to answer.
    this.#controller.enqueue('words');
    this.#controller.enqueue('status');
  }

  #note(problem: string | undefined): void {
    if (problem !== undefined && problem !== this.#problem)
      this.#log.info({ problem }, 'no packets can flow yet');
    this.#problem = problem;
  }

  #missing({ sites, hub }: Acceptance): string | undefined {
    const { clusterId, isHub } = this.#options.settings;
    const self = sites.get(clusterId);
    if (self === undefined) return `the hub must have a Peer for ${clusterId} that can be accepted`;
    if (!isHub && self.cidrs.length === 0) return 'the hub must have given a CIDR to this cluster';
    return hub === undefined ? 'there must be a Peer of the hub' : undefined;
  }

  #noteUnderlay(underlay: { readonly mtu: number; readonly addresses: readonly string[] }): void {
    const before = this.#underlay;
    this.#underlay = underlay;
    if (before?.mtu !== underlay.mtu || before.addresses.join() !== underlay.addresses.join())
      this.#controller.enqueue('words');
  }

  async #keepSocket(ids: readonly string[]): Promise<void> {
    const { device, clusterId, probePort } = this.#options.settings;
    try {
      this.#socket ??= await ProbeSocket.open({
        device,
        self: clusterId,
        port: probePort,
        receive: (id, message) => this.#links.receive(id, message),
      });
    } catch (error) {
      // Without IPv6 in the kernel no link can be measured; packets flow all the same.
      this.#log.warn({ err: error }, 'tunnels cannot be probed');
    }
    this.#socket?.know(ids);
  }

  async #closeSocket(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    await socket?.[Symbol.asyncDispose]();
  }

  #ownEndpoint(): OwnEndpoint {
    return ownEndpoint(this.#options.settings.own, this.#options.node(), this.#underlay?.addresses ?? []);
  }

  async #takeService(signal: AbortSignal): Promise<void> {
    const { local, settings } = this.#options;
    const { service, namespace, podIps, nodeName, listenPort: port } = settings;
    if (service === undefined) return;
    await takeService(
      local,
      { service, namespace, podIps: (podIps ?? '').split(','), nodeName, port },
      { signal, mayBeSo: this.#tookService },
    );
    this.#tookService = true;
  }

  /** Tells the others how this gateway is reached, and its keys. */
  async #sayOwnWords(signal: AbortSignal): Promise<void> {
    const { settings, hub, shareNamespace } = this.#options;
    const keys = this.#keys;
    const known = this.#peers.own;
    // A Peer is made by the hub; before that there is nothing to write on.
    if (keys === undefined || this.#underlay === undefined || known === undefined) return;
    if (this.#hasNewDevice) return;
    const endpoint = this.#ownEndpoint();
    for (const problem of endpoint.problems) this.#log.warn({ problem }, 'annotation of the node refused');
    const mtu = tunnelMtu(this.#underlay.mtu);
    const wanted = ownPeer({ ...settings, namespace: shareNamespace, endpoint, keys, mtu });
    if (saysSo(known, wanted)) return;
    await hub.apply(peerResource, wanted, { fieldManager: fieldManagers.octopus, force: true, signal });
    this.#log.info({ endpoint: endpoint.endpoint, isPublic: endpoint.isPublic }, 'own peer written');
  }

  /** Tells what is measured. */
  async #sayStatus(signal: AbortSignal): Promise<{ requeueAfter: number }> {
    const { settings, hub, shareNamespace } = this.#options;
    if (this.#peers.own !== undefined) {
      const tunnels = ownTunnels(this.#links.figures(), this.#dataPath.peers, this.#peers.acceptance.refused);
      await hub.apply(
        peerResource,
        { metadata: { namespace: shareNamespace, name: settings.clusterId }, status: { tunnels } },
        { fieldManager: fieldManagers.octopus, force: true, subresource: 'status', signal },
      );
    }
    return { requeueAfter: statusMs };
  }
}
