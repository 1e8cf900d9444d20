import type { Registry } from 'prom-client';
import { nodes } from '../api/resource.ts';
import { Backoff } from '../kube/backoff.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import { Controller, type Requeue } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';
import { readAllocation } from './allocation.ts';
import { type NodeDevicePlan, nextStep, nodeDevice, planNodeDevice, routeMtuOf } from './node-device.ts';
import { type NodeDeviceMetrics, nodeDeviceMetrics } from './node-device-metrics.ts';
import { type FirewallListing, firewallWithoutDevice } from './node-firewall.ts';
import type { NodeNetwork, ObservedNode } from './node-network.ts';
import type { NodeSwitch } from './node-switch.ts';
import type { NodeUnderlay } from './node-underlay.ts';
import { type OwnNode, readOwnNode, sameOwnNode } from './own-node.ts';

export interface NodeDeviceKeeperOptions {
  /** Name of the Node. */
  readonly node: string;
  /** Whether the node has the device; else what is there of an earlier time is taken away. */
  readonly clusterSetIp: boolean;
  readonly client: KubeClient;
  readonly nodeSwitch: NodeSwitch;
  readonly network: NodeNetwork;
  readonly underlay: Pick<NodeUnderlay, 'findForNode' | 'note' | 'subscribe'>;
  readonly log: Logger;
  readonly registry: Registry;
}

const key = nodeDevice;
const whileAwayMs = 250;
/** The kernel tells of a new device after the database does. */
const newDeviceMs = 50;
/** A switch that restarts loses its devices for a moment. */
const missingMs = 2_000;
/** Nobody tells that rules, routes or addresses were taken away: they are looked at so often. */
const lookMs = 2_000;
const timeoutMs = 5_000;

/**
 * Keeps the node's own device, its addresses and routes, and the rules that guard it: one reconcile reads all that there
 * is and takes the next step. The rules come before the device and go after it.
 */
export class NodeDeviceKeeper {
  readonly #options: NodeDeviceKeeperOptions;
  readonly #controller: Controller;
  readonly #metrics: NodeDeviceMetrics;
  readonly #nodes: ObjectCache<OwnNode>;
  /** The rules that were written, and how `nft` prints them. */
  #rules: { readonly written: string; readonly listed: string } | undefined;
  /** performance.now() since when there is a port without a device. */
  #missingSince: number | undefined;
  readonly #pause = new Backoff({ minMs: newDeviceMs, maxMs: lookMs });
  #refusal: string | undefined;
  #isReady = false;
  #dropped: ReadonlyMap<string, number> = new Map();

  constructor(options: NodeDeviceKeeperOptions) {
    this.#options = options;
    this.#controller = new Controller({
      name: 'node-device',
      reconcile: (_, signal) => this.#reconcile(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])),
      log: options.log,
      metrics: options.registry,
      backoff: { minMs: 100, maxMs: 10_000 },
    });
    this.#metrics = nodeDeviceMetrics(options.registry, () => ({
      isReady: this.#isReady,
      dropped: this.#dropped,
    }));
    this.#nodes = new ObjectCache<OwnNode>({
      client: options.client,
      resource: nodes,
      fieldSelector: `metadata.name=${options.node}`,
      project: readOwnNode,
      unchanged: sameOwnNode,
      log: options.log,
      metrics: options.registry,
    });
    this.#nodes.subscribe(() => this.#changed());
  }

  /** Works until the signal is aborted. The device stays as it is. */
  async run(signal: AbortSignal): Promise<void> {
    const ends = this.#options.nodeSwitch.subscribe(changes => {
      const isOfInterest = changes.some(change => {
        if (change.table !== 'Interface') return change.table !== 'Port';
        return (change.after ?? change.before)?.name === nodeDevice;
      });
      if (isOfInterest) this.#changed();
    });
    const endsToo = this.#options.underlay.subscribe(() => this.#changed());
    this.#changed();
    try {
      await Promise.all([this.#nodes.run(signal), this.#controller.run(signal)]);
    } finally {
      ends();
      endsToo();
    }
  }

  #changed(): void {
    this.#controller.enqueue(key);
  }

  async #reconcile(signal: AbortSignal): Promise<undefined | Requeue> {
    const { nodeSwitch, underlay, node, clusterSetIp } = this.#options;
    if (!nodeSwitch.isFollowing) return { requeueAfter: whileAwayMs };
    if (!clusterSetIp) return this.#takeAway(signal);
    const reading = readAllocation(this.#nodes.get(node) ?? {});
    // The node's change, when it comes, brings us here again; what is there stays until then.
    if (reading.kind === 'none') return undefined;
    if (reading.kind === 'refused') return this.#refuse(reading.reason);
    const observed = await this.#observe(signal);
    const found = await underlay.findForNode(routeMtuOf(observed.host), signal);
    if (found === undefined) return { requeueAfter: whileAwayMs };
    return this.#step(planNodeDevice(node, reading.allocation, found), observed, signal);
  }

  async #step(plan: NodeDevicePlan, { host, firewall }: ObservedNode, signal: AbortSignal): Promise<Requeue> {
    const { network, nodeSwitch, log } = this.#options;
    const step = nextStep(plan, host, nodeSwitch.nodePort(nodeDevice));
    if (step.kind === 'refused') return this.#refuse(step.reason);
    this.#refusal = undefined;
    if (step.kind !== 'done') this.#isReady = false;
    this.#dropped = firewall?.dropped ?? new Map();
    await this.#guard(plan.firewall, firewall, signal);
    if (step.kind !== 'missing') this.#missingSince = undefined;
    switch (step.kind) {
      case 'add':
        await nodeSwitch.addNodePort(plan.port, signal);
        return this.#soon();
      case 'set':
        await nodeSwitch.setNodePort(plan.port, signal);
        this.#noteRepair('port');
        return this.#soon();
      case 'missing':
        return this.#awaitDevice(step.isLost, signal);
      case 'repair':
        await network.repair(step.repair, signal);
        this.#noteRepair('device');
        return this.#soon();
      case 'done': {
        const { addresses, mac } = plan.nic;
        if (!this.#isReady) log.info({ device: nodeDevice, addresses, mac }, 'node has its device');
        this.#isReady = true;
        this.#pause.reset();
        return { requeueAfter: lookMs };
      }
    }
  }

  /** After a change: at once, but ever later where somebody else changes it back each time. */
  #soon(): Requeue {
    return { requeueAfter: this.#pause.next() };
  }

  async #observe(signal: AbortSignal): Promise<ObservedNode> {
    const { network, underlay } = this.#options;
    const observed = await network.observe(signal);
    underlay.note(observed.host);
    return observed;
  }

  /** @param found what rules there are. */
  async #guard(rules: string, found: FirewallListing | undefined, signal: AbortSignal): Promise<void> {
    const { network } = this.#options;
    if (this.#rules?.written === rules && this.#rules.listed === found?.rules) return;
    await network.setFirewall(rules, signal);
    const listed = (await network.observe(signal)).firewall?.rules ?? '';
    this.#noteRepair('firewall', this.#rules?.written === rules);
    this.#rules = { written: rules, listed };
  }

  /** A port whose device stays away is taken away; the next look adds it again, by a transaction of its own. */
  async #awaitDevice(isLost: boolean, signal: AbortSignal): Promise<Requeue> {
    if (!isLost) return { requeueAfter: whileAwayMs };
    const now = performance.now();
    this.#missingSince ??= now;
    if (now - this.#missingSince < missingMs) return { requeueAfter: newDeviceMs };
    this.#missingSince = undefined;
    await this.#options.nodeSwitch.removeNodePort(nodeDevice, signal);
    this.#noteRepair('port');
    return { requeueAfter: newDeviceMs };
  }

  /** What guards against the pods' own NICs stays. */
  async #takeAway(signal: AbortSignal): Promise<Requeue> {
    const { nodeSwitch, log } = this.#options;
    if (nodeSwitch.nodePort(nodeDevice)?.isOurs === true) {
      await nodeSwitch.removeNodePort(nodeDevice, signal);
      log.info({ device: nodeDevice }, 'device of the node is removed');
    }
    await this.#guard(firewallWithoutDevice, (await this.#observe(signal)).firewall, signal);
    return { requeueAfter: lookMs };
  }

  #refuse(reason: string): Requeue {
    if (this.#refusal !== reason) {
      this.#options.log.warn({ device: nodeDevice, reason }, 'node is refused its device');
    }
    this.#refusal = reason;
    this.#isReady = false;
    return { requeueAfter: lookMs };
  }

  #noteRepair(kind: 'firewall' | 'port' | 'device', wasThere = true): void {
    if (wasThere) this.#metrics.repairs.inc({ kind });
    this.#options.log.info({ device: nodeDevice, kind }, 'device of the node was changed');
  }
}
