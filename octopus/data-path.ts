import type { Logger } from '../process/log.ts';
import { announceAddresses, letNeighboursKnow } from './announce.ts';
import { type DiffInputs, diffDevice, peersById } from './device-diff.ts';
import {
  type DeviceState,
  type PeerState,
  readDevice,
  readLeftovers,
  readUnderlay,
  routeProtocol,
} from './device-state.ts';
import { deleteTable, Firewall } from './firewall-apply.ts';
import { enableForwarding } from './forwarding.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { DevicePlan } from './plan.ts';
import { runProgram, runWg } from './run-program.ts';
import { type Implementation, openDevice, removeDevice, type WireGuardDevice } from './wireguard-device.ts';

export interface DataPathOptions {
  readonly device: string;
  readonly clusterDevice: string;
  readonly underlayDevice: string | undefined;
  readonly wireguard: Implementation | 'auto';
  readonly log: Logger;
  readonly metrics: GatewayMetrics;
}

/** The device, routes and firewall of a gateway, brought to what a plan says and not touched where they are so. */
export class DataPath {
  readonly #options: DataPathOptions;
  readonly #firewall: Firewall;
  readonly #lastEndpoints = new Map<string, string>();
  #device: WireGuardDevice | undefined;
  #peers: ReadonlyMap<string, PeerState> = new Map();
  /** Addresses of the cluster device that we have set, or were about to; they go with us. */
  #clusterAddresses: readonly string[] = [];
  /** Those that the neighbours were told of. */
  #announced: readonly string[] = [];

  constructor(options: DataPathOptions) {
    this.#options = options;
    this.#firewall = new Firewall();
  }

  get implementation(): Implementation | undefined {
    return this.#device?.implementation;
  }

  /** What WireGuard said of each cluster the last time. */
  get peers(): ReadonlyMap<string, PeerState> {
    return this.#peers;
  }

  /** Makes the device, or takes what is there. @returns it; `lost` tells of its end. */
  async open(signal: AbortSignal): Promise<WireGuardDevice> {
    const { device, wireguard, log } = this.#options;
    await enableForwarding();
    this.#device = await openDevice({ name: device, want: wireguard, log, signal });
    this.#lastEndpoints.clear();
    return this.#device;
  }

  async read(signal: AbortSignal): Promise<DeviceState> {
    return await readDevice(this.#options, signal);
  }

  /** @throws Error where there is no default route and no device was named. */
  async underlay(
    signal: AbortSignal,
  ): Promise<{ readonly mtu: number; readonly addresses: readonly string[] }> {
    const found = await readUnderlay(this.#options.underlayDevice, signal);
    if (found !== undefined) return found;
    throw new Error(
      'Cannot find the underlay as there must be a default route, or --underlay-device must be given',
    );
  }

  /**
   * Does what is missing, in one batch for each program, the routes last.
   *
   * @returns whether anything was, and who was dialled by it: endpoints by cluster id.
   */
  async apply(
    plan: DevicePlan,
    state: DeviceState,
    {
      signal,
      ...known
    }: Pick<DiffInputs, 'privateKey' | 'dead' | 'stale'> & { readonly signal: AbortSignal },
  ): Promise<{ readonly hasChanged: boolean; readonly dialled: ReadonlyMap<string, string> }> {
    const { log, metrics, clusterDevice } = this.#options;
    const startedAt = performance.now();
    const changes = diffDevice({ plan, state, ...known, lastEndpoints: this.#lastEndpoints });
    const filter = () => this.#firewall.apply(plan.firewall, signal);
    const configure = async () => {
      for (const { args, input } of changes.wg)
        await runWg(args, { signal, ...(input !== undefined && { input }) });
    };
    // Before packets can flow by a new tunnel they are filtered; by a device that is not up none can.
    const [isFirewallNew] = state.isUp
      ? [await filter(), await configure()]
      : await Promise.all([filter(), configure()]);
    const missing =
      state.clusterAddresses && plan.clusterAddresses.filter(one => !state.clusterAddresses?.includes(one));
    const cluster = (missing ?? []).map(
      address => `address replace ${address} dev ${clusterDevice}${address.includes(':') ? ' nodad' : ''}`,
    );
    const lines = [...cluster, ...changes.ip];
    this.#clusterAddresses = plan.clusterAddresses;
    if (cluster.length > 0) await letNeighboursKnow(clusterDevice);
    if (lines.length > 0)
      await runProgram('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n`, signal });
    // Also where a former life has left them: the neighbours may know another gateway by now.
    const isNew = this.#announced.join() !== plan.clusterAddresses.join();
    if (isNew || cluster.length > 0) void announceAddresses(plan.clusterAddresses, log);
    this.#announced = plan.clusterAddresses;
    for (const [id, endpoint] of changes.endpoints) this.#lastEndpoints.set(id, endpoint);
    for (const id of this.#lastEndpoints.keys())
      if (!plan.peers.some(peer => peer.id === id)) this.#lastEndpoints.delete(id);
    this.#peers = peersById(plan, state.wireguard);
    const hasChanged = changes.wg.length > 0 || lines.length > 0 || isFirewallNew;
    if (hasChanged) {
      metrics.changes.inc({ kind: 'wg' }, changes.wg.length);
      metrics.changes.inc({ kind: 'ip' }, lines.length);
      if (isFirewallNew) metrics.changes.inc({ kind: 'nft' });
      const tookMs = Math.round(performance.now() - startedAt);
      log.info(
        { wg: changes.wg.length, ip: lines.length, firewall: isFirewallNew, tookMs },
        'tunnel changed',
      );
    }
    metrics.applySeconds.observe((performance.now() - startedAt) / 1000);
    return { hasChanged, dialled: changes.endpoints };
  }

  /** Sets our key at once and nothing else: each millisecond counts while it changes. */
  async changeKey(privateKey: string, signal: AbortSignal): Promise<void> {
    await runWg(['set', this.#options.device, 'private-key', '/dev/stdin'], {
      input: `${privateKey}\n`,
      signal,
    });
  }

  /** The tunnel device and those of these addresses that are here, which is nothing while another one is active. */
  async leftovers(addresses: readonly string[]): Promise<readonly string[]> {
    const { device, clusterDevice } = this.#options;
    return await readLeftovers({ device, clusterDevice, addresses });
  }

  /**
   * Takes everything away: another gateway has it now, or nobody.
   *
   * @param addresses of the cluster device that a former life may have left.
   */
  async close(addresses: readonly string[] = []): Promise<void> {
    const { device, clusterDevice } = this.#options;
    const opened = this.#device;
    this.#device = undefined;
    this.#peers = new Map();
    await withdraw(clusterDevice, [...addresses, ...this.#clusterAddresses]);
    this.#clusterAddresses = [];
    this.#announced = [];
    await (opened === undefined ? removeDevice(device) : opened.remove());
    for (const family of ['-4', '-6']) {
      await runProgram('ip', [family, 'route', 'flush', 'proto', String(routeProtocol)]).catch(
        () => undefined,
      );
    }
    await deleteTable();
    this.#firewall.forget();
  }
}

async function withdraw(device: string, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    await runProgram('ip', ['address', 'delete', address, 'dev', device]).catch(() => undefined);
  }
}
