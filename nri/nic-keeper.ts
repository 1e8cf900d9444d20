import type { FileHandle } from 'node:fs/promises';
import type { Registry } from 'prom-client';
import { formatAddress } from '../ipam/address.ts';
import { Controller, type Requeue } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';
import { type AllocationReading, readAllocation } from './allocation.ts';
import type { Announcer } from './announcer.ts';
import { type Attachment, decideAttachment, isNothingToDo } from './attachment.ts';
import { interfaceName } from './interface-name.ts';
import { type NriMetrics, nriMetrics, type RuntimeMode } from './metrics.ts';
import { NetnsError } from './netns.ts';
import { type NicPlan, planNic, samePlan } from './nic-plan.ts';
import { externalIdsOf, isForSamePod, type NodeSwitch, type SwitchPort, saysAll } from './node-switch.ts';
import type { NodeUnderlay } from './node-underlay.ts';
import { findOrphans } from './orphans.ts';
import type { PodDevices } from './pod-devices.ts';
import { ProgramError } from './program.ts';
import { podKey, type Sandbox } from './sandbox.ts';
import { type Seat, Seats } from './seats.ts';
import { WaitBudget } from './wait-budget.ts';
import { isPodOf, type WatchedPod } from './watched-pod.ts';

export interface NicKeeperOptions {
  /** The pods of this node, as the API has them. */
  readonly pods: { get(key: string): WatchedPod | undefined };
  readonly nodeSwitch: NodeSwitch;
  readonly devices: PodDevices;
  readonly announcer: Announcer;
  readonly underlay: NodeUnderlay;
  /** Milliseconds that the start of a pod waits for its address at most. */
  readonly wait: number;
  readonly log: Logger;
  readonly registry: Registry;
  /** How it learns of pods, for the metrics. */
  readonly runtime: () => { readonly mode: RuntimeMode; readonly isConnected: boolean };
}

/** The runtime closes plugins after 2 s: whatever a pod's start waits for ends before. */
const longestStartMs = 1_700;
/** A dead port is made anew only when it stays so: a switch that restarts shows what is not true. */
const deadMs = 1_000;
const whileAwayMs = 250;
const deviceTimeoutMs = 5_000;
/** The key under which the search for what belongs to no pod is queued; no sandbox has it. */
const orphansKey = '';

/**
 * Keeps the NICs of the node's pods as their annotations say: one reconcile of a sandbox reads all that is known, and
 * makes, adopts, repairs or removes. What could not be read is never taken for gone.
 */
export class NicKeeper {
  readonly #options: NicKeeperOptions;
  readonly #log: Logger;
  readonly #metrics: NriMetrics;
  readonly #controller: Controller;
  readonly #seats = new Seats();
  /** For the address to come, and for the work after that. */
  readonly #addressBudget: WaitBudget;
  readonly #workBudget = new WaitBudget(longestStartMs);
  /** Devices that are being made, which have no port yet. */
  readonly #making = new Set<string>();
  /** Whether the runtime has told of all sandboxes. */
  #knowsAll = false;

  constructor(options: NicKeeperOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#addressBudget = new WaitBudget(options.wait);
    this.#metrics = nriMetrics(options.registry, () => {
      const states = [...this.#seats.values()].filter(({ sandbox }) => sandbox.netns !== undefined);
      const attached = states.filter(({ state }) => state.kind === 'attached').length;
      const { mode, isConnected } = options.runtime();
      const isSwitchFollowed = options.nodeSwitch.isFollowing;
      return {
        mode,
        isRuntimeConnected: isConnected,
        isSwitchFollowed,
        attached,
        waiting: states.length - attached,
      };
    });
    this.#controller = new Controller({
      name: 'nics',
      reconcile: (key, signal) => this.#reconcile(key, signal),
      concurrency: 8,
      log: options.log,
      metrics: options.registry,
      backoff: { minMs: 50, maxMs: 10_000 },
    });
  }

  /** Works until the signal is aborted. NICs stay as they are. */
  async run(signal: AbortSignal): Promise<void> {
    const ends = this.#options.nodeSwitch.subscribe(changes => {
      for (const change of changes) {
        if (change.table !== 'Interface') {
          if (change.table !== 'Port') this.#lookAtAll();
          continue;
        }
        const id = (change.after ?? change.before)?.external_ids.get('sandbox');
        if (id === undefined) continue;
        if (this.#seats.get(id) !== undefined) this.#controller.enqueue(id);
      }
    });
    try {
      await this.#controller.run(signal);
    } finally {
      ends();
    }
  }

  get readiness(): true | string {
    return this.#knowsAll ? true : 'the container runtime must have told of its pods';
  }

  /** The sandboxes that the runtime has now; those that it had before and are not among them are gone. */
  synchronize(sandboxes: readonly Sandbox[]): void {
    const ids = new Set(sandboxes.map(({ id }) => id));
    for (const seat of [...this.#seats.values()]) if (!ids.has(seat.sandbox.id)) this.#leave(seat);
    for (const sandbox of sandboxes) {
      const known = this.#seats.get(sandbox.id);
      if (known === undefined) this.#seats.add(sandbox, { kind: 'unseen' });
      else if (known.sandbox.netns !== sandbox.netns) this.#seats.add(sandbox, { kind: 'unseen' });
      else if (known.state.kind === 'superseded') known.state = { kind: 'unseen' };
    }
    for (const sandbox of sandboxes) this.#settleRivals(podKey(sandbox));
    this.#knowsAll = true;
    this.#lookAtAll();
    this.#controller.enqueue(orphansKey);
  }

  /**
   * A sandbox was made; its containers start when this resolves.
   *
   * @returns whether it has its NIC, or needs none; if not, it gets it later.
   */
  async start(sandbox: Sandbox): Promise<boolean> {
    const begin = performance.now();
    for (const rival of this.#seats.ofPod(podKey(sandbox))) {
      if (rival.sandbox.id === sandbox.id) continue;
      this.#seats.setState(rival, { kind: 'superseded' });
      this.#controller.enqueue(rival.sandbox.id);
    }
    if (this.#seats.get(sandbox.id) === undefined) this.#seats.add(sandbox, { kind: 'new' });
    this.#controller.enqueue(sandbox.id);
    if (sandbox.netns === undefined) return true;
    const { id } = sandbox;
    const isSettled = () => this.#isSettled(id);
    const hasAddress = () => isSettled() || this.#readAllocation(sandbox).kind !== 'none';
    if (!(await this.#seats.wait(id, hasAddress, this.#addressBudget.milliseconds))) {
      this.#addressBudget.wasInVain();
    } else {
      const left = this.#workBudget.milliseconds - (performance.now() - begin);
      if (!(await this.#seats.wait(id, isSettled, left))) this.#workBudget.wasInVain();
    }
    const seat = this.#seats.get(id);
    if (seat !== undefined) seat.isLate = true;
    const isAttached = seat?.state.kind === 'attached';
    const seconds = (performance.now() - begin) / 1_000;
    this.#metrics.waitSeconds.observe({ outcome: isAttached ? 'attached' : 'late' }, seconds);
    return isAttached;
  }

  /** A sandbox is stopped or removed: its NIC goes. Unknown ones, and those told of twice, are no failure. */
  async stop(sandbox: Sandbox): Promise<void> {
    const { id } = sandbox;
    const seat = this.#seats.get(id) ?? this.#seats.add(sandbox, { kind: 'leaving' });
    this.#leave(seat);
    if (this.#options.nodeSwitch.isFollowing)
      await this.#seats.wait(id, () => this.#seats.get(id) === undefined, longestStartMs);
  }

  /** Ids of the sandboxes that are known and not leaving. */
  *known(): Generator<Sandbox> {
    for (const { sandbox, state } of this.#seats.values()) if (state.kind !== 'leaving') yield sandbox;
  }

  /** Something that is no sandbox was refused before it came here. */
  countRefusal(): void {
    this.#metrics.refusals.inc({ reason: 'sandbox' });
  }

  /** A pod of this node changed in the API. */
  podChanged(key: string): void {
    const pod = this.#options.pods.get(key);
    if (pod !== undefined && readAllocation(pod.annotations).kind !== 'none') this.#addressBudget.wasOfUse();
    for (const seat of this.#seats.ofPod(key)) {
      // What was wrong may be right now.
      if (seat.state.kind === 'refused') seat.state = { kind: 'unseen' };
      this.#seats.changed(seat.sandbox.id);
      this.#controller.enqueue(seat.sandbox.id);
    }
  }

  #isSettled(id: string): boolean {
    const kind = this.#seats.get(id)?.state.kind;
    return kind !== 'new' && kind !== 'unseen';
  }

  #leave(seat: Seat): void {
    seat.state = { kind: 'leaving' };
    this.#controller.enqueue(seat.sandbox.id);
  }

  #lookAtAll(): void {
    for (const { sandbox } of this.#seats.values()) this.#controller.enqueue(sandbox.id);
  }

  /** Of several sandboxes of one pod the one that has the port keeps it; without one, the one that was told of last. */
  #settleRivals(key: string): void {
    const rivals = this.#seats
      .ofPod(key)
      .filter(({ state, sandbox }) => state.kind !== 'leaving' && sandbox.netns !== undefined);
    if (rivals.length < 2) return;
    const { pods, nodeSwitch } = this.#options;
    const pod = pods.get(key);
    const own = rivals.filter(({ sandbox }) => pod === undefined || isPodOf(pod, sandbox));
    const winner = own.find(({ sandbox }) => nodeSwitch.portsOf(sandbox.id).length > 0) ?? own.at(-1);
    for (const rival of rivals) if (rival !== winner) rival.state = { kind: 'superseded' };
  }

  async #reconcile(id: string, signal: AbortSignal): Promise<undefined | Requeue> {
    if (id === orphansKey) return this.#removeOrphans(signal);
    const seat = this.#seats.get(id);
    if (seat === undefined) return undefined;
    const { state, sandbox } = seat;
    try {
      if (state.kind === 'leaving' || state.kind === 'superseded') return await this.#detach(seat, signal);
      if (sandbox.netns === undefined || state.kind === 'refused') return undefined;
      return await this.#attach(seat, sandbox.netns, signal);
    } catch (error) {
      this.#metrics.failures.inc();
      if (seat.state.kind === 'new' || seat.state.kind === 'attached') seat.state = { kind: 'unseen' };
      throw error;
    }
  }

  async #attach(seat: Seat, path: string, signal: AbortSignal): Promise<undefined | Requeue> {
    const { sandbox } = seat;
    const reading = this.#readAllocation(sandbox);
    if (reading.kind === 'none') return undefined;
    if (reading.kind === 'refused') return this.#refuse(seat, 'annotation', reading.reason);
    if (!this.#options.nodeSwitch.isFollowing) return { requeueAfter: whileAwayMs };
    seat.readySince ??= performance.now();
    let netns: FileHandle | undefined;
    try {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(deviceTimeoutMs)]);
      const open = async () => (netns ??= await this.#options.devices.open(path));
      const underlay = await this.#options.underlay.find(open, bounded);
      if (underlay === undefined) return { requeueAfter: whileAwayMs };
      const plan = planNic(reading.allocation, underlay);
      const ids = externalIdsOf(
        sandbox,
        reading.allocation.addresses.map(({ address }) => formatAddress(address)).join(),
      );
      if (this.#isAttached(seat, plan, ids)) return undefined;
      const wait = this.#waitForDeadPort(seat, plan);
      if (wait !== undefined) return wait;
      await this.#bring(seat, plan, ids, await open(), bounded);
      return undefined;
    } catch (error) {
      if (error instanceof NetnsError) return this.#refuse(seat, 'netns', error.message);
      // It was torn down meanwhile: the runtime says so next.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        return this.#refuse(seat, 'netns', 'it is gone');
      throw error;
    } finally {
      await netns?.close();
    }
  }

  #isAttached(seat: Seat, plan: NicPlan, ids: Readonly<Record<string, string>>): boolean {
    const { state, sandbox } = seat;
    if (state.kind !== 'attached' || !samePlan(state.plan, plan)) return false;
    const ports = this.#options.nodeSwitch.portsOf(sandbox.id);
    const [port] = ports;
    const isWell = ports.length === 1 && port?.name === state.device && !port.isDead && saysAll(port, ids);
    if (isWell) delete seat.deadSince;
    if (isWell) this.#options.announcer.announce(port, plan);
    return isWell;
  }

  /** @returns when to look again, where the only thing that is wrong is that the port is dead, and that is new. */
  #waitForDeadPort(seat: Seat, plan: NicPlan): Requeue | undefined {
    const isDead = this.#options.nodeSwitch.portsOf(seat.sandbox.id).some(port => port.isDead);
    if (!isDead || seat.state.kind !== 'attached' || !samePlan(seat.state.plan, plan)) return undefined;
    const now = performance.now();
    seat.deadSince ??= now;
    const left = deadMs - (now - seat.deadSince);
    return left > 0 ? { requeueAfter: left } : undefined;
  }

  /** Brings a sandbox's NIC to its plan. */
  async #bring(
    seat: Seat,
    plan: NicPlan,
    ids: Readonly<Record<string, string>>,
    netns: FileHandle,
    signal: AbortSignal,
  ): Promise<void> {
    const begin = performance.now();
    const { nodeSwitch, devices } = this.#options;
    const { sandbox } = seat;
    await this.#takeFromRivals(sandbox, signal);
    let device: string | undefined;
    let way = seat.isLate ? 'late' : 'start';
    if (seat.state.kind === 'new')
      device = await this.#make(interfaceName(sandbox), plan, ids, netns, signal);
    if (device === undefined) {
      const [pod, host] = await Promise.all([devices.observe(netns, signal), devices.observeHost(signal)]);
      const ports = nodeSwitch.portsOf(sandbox.id);
      const hasPort = (name: string) => nodeSwitch.hasPort(name);
      const attachment = decideAttachment({ sandbox, plan, pod, host, ports, hasPort });
      if (attachment.kind === 'keep') way = 'adopt';
      device = await this.#apply(seat, attachment, { plan, ids, netns, signal });
    }
    delete seat.deadSince;
    // It may have been told to leave meanwhile.
    if (seat.state.kind !== 'leaving' && seat.state.kind !== 'superseded')
      this.#seats.setState(seat, { kind: 'attached', device, plan });
    this.#workBudget.wasOfUse();
    const since = way === 'late' ? (seat.readySince ?? begin) : begin;
    this.#metrics.attachSeconds.observe({ way }, (performance.now() - since) / 1_000);
    this.#log.info(
      { pod: podKey(sandbox), sandbox: sandbox.id, device, way, addresses: plan.addresses, mac: plan.mac },
      'pod has its NIC',
    );
    const port = nodeSwitch.portsOf(sandbox.id)[0];
    if (port !== undefined) this.#options.announcer.announce(port, plan);
  }

  async #apply(
    seat: Seat,
    attachment: Attachment,
    {
      plan,
      ids,
      netns,
      signal,
    }: {
      readonly plan: NicPlan;
      readonly ids: Readonly<Record<string, string>>;
      readonly netns: FileHandle;
      readonly signal: AbortSignal;
    },
  ): Promise<string> {
    const { nodeSwitch, devices } = this.#options;
    const { sandbox } = seat;
    if (attachment.remove.length > 0) await this.#remove(attachment.remove, signal);
    if (attachment.kind === 'make') {
      if (attachment.isInTheWay) await devices.deleteInPod(netns, signal);
      const isFirst = attachment.remove.length === 0 && !attachment.isInTheWay;
      const name = interfaceName(sandbox, isFirst ? '' : crypto.randomUUID());
      const made = await this.#make(name, plan, ids, netns, signal);
      if (made === undefined)
        throw new ProgramError(`Cannot make ${name} as the pod must have no such device`);
      if (!isFirst) this.#repaired(seat, 'made');
      return made;
    }
    const { device, inPod, onHost } = attachment;
    if (onHost.length > 0) await devices.changeOnHost(onHost, signal);
    if (inPod.lines.length > 0 || inPod.checksums) await devices.repair(inPod, netns, signal);
    if (attachment.port === 'add') await nodeSwitch.addPort(device, ids, signal);
    const port = nodeSwitch.portsOf(sandbox.id).find(({ name }) => name === device);
    if (port !== undefined && !saysAll(port, ids)) await nodeSwitch.setExternalIds(device, ids, signal);
    if (!isNothingToDo(attachment)) this.#repaired(seat, attachment.port === 'add' ? 'port' : 'changed');
    return device;
  }

  /** @returns the device's name, or undefined where the pod has such a device already. */
  async #make(
    name: string,
    plan: NicPlan,
    ids: Readonly<Record<string, string>>,
    netns: FileHandle,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    this.#making.add(name);
    try {
      await this.#options.devices.make(name, plan, netns, signal);
      await this.#options.nodeSwitch.addPort(name, ids, signal);
      return name;
    } catch (error) {
      if (error instanceof ProgramError && error.message.includes('File exists')) return undefined;
      throw error;
    } finally {
      this.#making.delete(name);
    }
  }

  /** OVN serves one port of a pod's name: that of the pod that was here before must be gone first. */
  async #takeFromRivals(sandbox: Sandbox, signal: AbortSignal): Promise<void> {
    const isRival = (port: SwitchPort) => port.sandboxId !== sandbox.id && isForSamePod(port, sandbox);
    const rivals = [...this.#options.nodeSwitch.ports()].filter(isRival).map(({ name }) => name);
    if (rivals.length > 0) await this.#remove(rivals, signal);
  }

  async #detach(seat: Seat, signal: AbortSignal): Promise<undefined | Requeue> {
    const { nodeSwitch } = this.#options;
    const { sandbox, state } = seat;
    if (!nodeSwitch.isFollowing) return { requeueAfter: whileAwayMs };
    const names = nodeSwitch.portsOf(sandbox.id).map(({ name }) => name);
    if (names.length > 0) {
      await this.#remove(names, signal);
      this.#metrics.removals.inc({ kind: 'stopped' });
      this.#log.info({ pod: podKey(sandbox), sandbox: sandbox.id, device: names }, 'NIC of a pod is removed');
    }
    if (state.kind === 'leaving' && this.#seats.get(sandbox.id) === seat) this.#seats.delete(sandbox.id);
    return undefined;
  }

  /** The ports first: a port whose device went is an error in the switch's log. */
  async #remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(deviceTimeoutMs)]);
    await this.#options.nodeSwitch.removePorts(names, bounded);
    await this.#options.devices.deleteOnHost(names, bounded);
  }

  async #removeOrphans(signal: AbortSignal): Promise<undefined | Requeue> {
    const { nodeSwitch, devices } = this.#options;
    if (!nodeSwitch.isFollowing) return { requeueAfter: whileAwayMs };
    const { links } = await devices.observeHost(signal);
    const orphans = findOrphans({
      ports: [...nodeSwitch.ports()],
      hasPort: name => nodeSwitch.hasPort(name),
      links,
      isKnown: id => this.#seats.get(id) !== undefined,
      kept: new Set([...this.#making, ...this.#keptDevices()]),
    });
    if (orphans.length === 0) return undefined;
    await this.#remove(orphans, signal);
    this.#metrics.removals.inc({ kind: 'orphan' }, orphans.length);
    this.#log.info({ devices: orphans }, 'devices that belonged to no pod are removed');
    return undefined;
  }

  /** Devices that a sandbox has, or would adopt though they have no port. */
  *#keptDevices(): Generator<string> {
    for (const { sandbox, state } of this.#seats.values()) {
      yield interfaceName(sandbox);
      if (state.kind === 'attached') yield state.device;
    }
  }

  #refuse(seat: Seat, reason: 'annotation' | 'netns', why: string): undefined {
    this.#seats.setState(seat, { kind: 'refused', reason: why });
    this.#metrics.refusals.inc({ reason });
    this.#log.warn(
      { pod: podKey(seat.sandbox), sandbox: seat.sandbox.id, reason: why },
      'pod is refused a NIC',
    );
    return undefined;
  }

  #repaired(seat: Seat, kind: 'changed' | 'made' | 'port'): void {
    this.#metrics.repairs.inc({ kind });
    this.#log.info({ pod: podKey(seat.sandbox), sandbox: seat.sandbox.id, kind }, 'NIC was repaired');
  }

  /** What the API says; what the kubelet said when it made the pod, where the API has not shown the pod yet. */
  #readAllocation(sandbox: Sandbox): AllocationReading {
    const pod = this.#options.pods.get(podKey(sandbox));
    if (pod === undefined) return readAllocation(sandbox.annotations);
    return isPodOf(pod, sandbox) ? readAllocation(pod.annotations) : { kind: 'none' };
  }
}
