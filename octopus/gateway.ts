import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { parseCidr } from '../ipam/cidr.ts';
import type { KubeClient } from '../kube/client.ts';
import { Controller, type Requeue } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';
import { together } from '../process/together.ts';
import { DataPath } from './data-path.ts';
import type { Target } from './host-port.ts';
import { HubWords } from './hub-words.ts';
import { type GatewayKeys, KeySecret } from './key-secret.ts';
import { KnownPeers } from './known-peers.ts';
import type { LinkMessage } from './link-message.ts';
import { Links } from './links.ts';
import { type GatewayMetrics, gatewayMetrics } from './metrics.ts';
import type { NodeFacts } from './own-endpoint.ts';
import { OwnWords } from './own-words.ts';
import { gatewayAddresses } from './plan.ts';
import { Probing } from './probing.ts';
import { Rotation } from './rotation.ts';
import type { Settings } from './settings.ts';
import { Tunnel } from './tunnel.ts';
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

/** What the gateway has to do something about. */
type Key = 'tunnel' | 'service' | 'words' | 'status' | 'hub-words';

/** One gateway: what it knows, and while it is the active one, what it does. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #log: Logger;
  readonly #metrics: GatewayMetrics;
  readonly #peers: KnownPeers;
  readonly #secret: KeySecret;
  readonly #dataPath: DataPath;
  readonly #links: Links;
  readonly #probing: Probing;
  readonly #tunnel: Tunnel;
  readonly #words: OwnWords;
  readonly #hubWords: HubWords | undefined;
  readonly #controller: Controller;
  #keys: GatewayKeys | undefined;

  constructor(options: GatewayOptions) {
    const { settings, hub, local, shareNamespace, node, log, registry } = options;
    const self = settings.clusterId;
    this.#options = options;
    this.#log = log;
    this.#metrics = gatewayMetrics(registry, () => ({
      links: this.#links.figures(),
      peers: this.#dataPath.peers,
      refused: this.#peers.acceptance.refused.length,
      implementation: this.#dataPath.implementation,
    }));
    this.#controller = new Controller({
      name: 'octopus',
      reconcile: (key, signal) => this.#reconcile(key as Key, signal),
      // Words to the hub, which may be away, hold up no tunnel.
      concurrency: 4,
      backoff: { minMs: 100, maxMs: 15_000 },
      log,
      metrics: registry,
    });
    this.#secret = new KeySecret(local, settings.namespace, settings.keySecret);
    this.#dataPath = new DataPath({ ...settings, log, metrics: this.#metrics });
    const { maxPeers } = settings;
    this.#peers = new KnownPeers({ hub, namespace: shareNamespace, self, maxPeers, log, registry });
    this.#links = new Links({
      self,
      intervalMs: settings.probeInterval,
      send: (id, message) => this.#probing.send(id, message),
      onChange: () => this.#enqueue('tunnel', 'status'),
      onStale: id => this.#tunnel.doubt(id),
      onState: (id, { state }) => {
        log.info({ cluster: id, state }, 'link changed its state');
        this.#enqueue('status', 'tunnel');
      },
    });
    const receive = (id: string, message: LinkMessage) => this.#links.receive(id, message);
    const { device, probePort } = settings;
    this.#probing = new Probing({ device, self, port: probePort, receive }, log);
    const [peers, links, dataPath, probing] = [this.#peers, this.#links, this.#dataPath, this.#probing];
    const tunnel = new Tunnel({
      ...{ settings, peers, links, dataPath, probing, node, log },
      onWork: inMs => this.#controller.enqueueAfter('tunnel', inMs),
      onMoved: () => this.#enqueue('words'),
      onReady: () => this.#enqueue('words', 'status'),
    });
    this.#tunnel = tunnel;
    this.#words = new OwnWords({ settings, local, hub, shareNamespace, peers, tunnel, links, dataPath, log });
    this.#hubWords = settings.isHub
      ? new HubWords({ client: hub, namespace: shareNamespace, self })
      : undefined;
    this.#peers.subscribe(isOwn => {
      this.#enqueue('tunnel');
      if (isOwn) this.#enqueue('words');
      if (this.#hubWords !== undefined) this.#enqueue('hub-words');
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
    this.#tunnel.setDoubtful(isDoubtful);
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
    this.#enqueue('words', 'tunnel');
  }

  /** By which load balancer the gateway's Service is reached now; undefined for none. */
  setBalancer(balancer: Target | undefined): void {
    this.#tunnel.setBalancer(balancer);
  }

  /** Takes away what a former life left, before this gateway is active: another one may be. */
  async clear(): Promise<void> {
    await this.#dataPath.close(this.#gatewayAddresses());
  }

  /** What is here of the tunnels: their device, the addresses that go with them. */
  async leftovers(): Promise<readonly string[]> {
    return await this.#dataPath.leftovers(this.#gatewayAddresses());
  }

  /** What this gateway sets on the cluster device while it is active. */
  #gatewayAddresses(): readonly string[] {
    if (this.#options.settings.clusterAddress !== 'manage') return [];
    const { cluster_cidr: own = [] } = this.#peers.own?.spec ?? {};
    return gatewayAddresses(own.flatMap(text => parseCidr(text) ?? []));
  }

  /** Carries the tunnels until the signal is aborted, then takes them away. */
  async carry(signal: AbortSignal): Promise<void> {
    const { settings } = this.#options;
    this.#keys = await this.#secret.open(signal);
    this.#words.begin();
    this.#tunnel.begin();
    const rotation = new Rotation({
      settings,
      secret: this.#secret,
      links: this.#links,
      keys: () => this.#keys,
      use: async keys => {
        const isSwitch = keys.current.publicKey !== this.#keys?.current.publicKey;
        this.#keys = keys;
        this.#links.nextKey = keys.next?.publicKey;
        if (isSwitch) await this.#dataPath.changeKey(keys.current.privateKey, signal);
        this.#links.poke();
        this.#enqueue('tunnel', 'words');
      },
      isTold: key => this.#peers.own?.spec.next_public_key === key,
      metrics: this.#metrics,
      log: this.#log,
    });
    this.#links.nextKey = this.#keys.next?.publicKey;
    this.#enqueueAll();
    try {
      await together(signal, until => [
        this.#keepDevice(until),
        this.#controller.run(until),
        rotation.run(until),
        this.#every(settings.probeInterval, until, () => this.#links.probe()),
        this.#every(settings.lookupInterval, until, () => this.#tunnel.lookAgain()),
        this.#every(resyncMs, until, () => this.#enqueueAll()),
        watchKernel(() => this.#controller.enqueueAfter('tunnel', 20), this.#log, until),
      ]);
    } finally {
      await this.#probing.close();
      this.#links.close();
      await this.#dataPath.close();
    }
  }

  #enqueueAll(): void {
    this.#enqueue('tunnel', 'service', 'words', 'status');
    if (this.#hubWords !== undefined) this.#enqueue('hub-words');
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
      await this.#probing.close();
      this.#tunnel.deviceIsNew();
      await Promise.race([device.lost, aborted]);
      if (signal.aborted) return;
      this.#log.error({ device: device.name }, 'tunnel device is lost, it is made again');
      this.#metrics.errors.inc({ what: 'device' });
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<Requeue | undefined> {
    try {
      return await this.#work(key, signal);
    } catch (error) {
      if (!signal.aborted) this.#metrics.errors.inc({ what: key });
      throw error;
    }
  }

  async #work(key: string, signal: AbortSignal): Promise<Requeue | undefined> {
    const keys = this.#keys;
    if (keys === undefined) return undefined;
    if (key === 'tunnel') await this.#tunnel.bring(keys, signal);
    else if (key === 'service') await this.#words.takeService(signal);
    else if (key === 'words') await this.#words.say(keys, signal);
    else if (key === 'status') {
      await this.#words.sayStatus(signal);
      return { requeueAfter: statusMs };
    } else if (this.#hubWords !== undefined) {
      const { all, acceptance } = this.#peers;
      return await this.#hubWords.say(all, acceptance, this.#links.figures(), signal);
    }
    return undefined;
  }

  #enqueue(...keys: readonly Key[]): void {
    for (const key of keys) this.#controller.enqueue(key);
  }
}
