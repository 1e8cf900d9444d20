import type { Logger } from '../process/log.ts';
import { type Allocation, addressTexts } from './allocation.ts';
import type { Announcer } from './announcer.ts';
import { type Attachment, decideAttachment, isNothingToDo } from './attachment.ts';
import { interfaceName } from './interface-name.ts';
import type { NriMetrics } from './metrics.ts';
import { type Netns, NetnsError } from './netns.ts';
import { type NicPlan, planNic, samePlan } from './nic-plan.ts';
import { isNoRepair } from './nic-repair.ts';
import { externalIdsOf, isForSamePod, type NodeSwitch, type SwitchPort, saysAll } from './node-switch.ts';
import type { NodeUnderlay } from './node-underlay.ts';
import { findOrphans } from './orphans.ts';
import type { PodDevices } from './pod-devices.ts';
import { ProgramError } from './program.ts';
import { podKey, type Sandbox } from './sandbox.ts';
import type { Seat } from './seats.ts';

export interface NicWorkerOptions {
  readonly nodeSwitch: NodeSwitch;
  readonly devices: PodDevices;
  readonly announcer: Announcer;
  readonly underlay: Pick<NodeUnderlay, 'find' | 'subscribe'>;
  readonly metrics: NriMetrics;
  readonly log: Logger;
}

export type Outcome =
  | { readonly kind: 'attached'; readonly device: string; readonly plan: NicPlan }
  /** It is not possible now; look again then. */
  | { readonly kind: 'again'; readonly afterMs: number }
  | { readonly kind: 'refused'; readonly reason: string }
  /** The pod's network namespace is torn down, and nothing of its NIC is left. */
  | { readonly kind: 'gone' };

/** A dead port is made anew only when it stays so: a switch that restarts shows what is not true. */
const deadMs = 1_000;
const whileAwayMs = 250;
const deviceTimeoutMs = 5_000;

/** All of one sandbox's NIC that goes together. */
interface Job {
  readonly seat: Seat;
  readonly plan: NicPlan;
  readonly externalIds: Readonly<Record<string, string>>;
  readonly netns: Netns;
  readonly signal: AbortSignal;
}

/** Makes, adopts, repairs and removes NICs: devices first, then the port on the switch. */
export class NicWorker {
  readonly #options: NicWorkerOptions;
  /** Devices that are being made, which have no port yet. */
  readonly #making = new Set<string>();

  constructor(options: NicWorkerOptions) {
    this.#options = options;
  }

  /** Brings a sandbox's NIC to what was allocated. @throws what may go better the next time. */
  async attach(seat: Seat, path: string, allocation: Allocation, signal: AbortSignal): Promise<Outcome> {
    const { nodeSwitch, devices, underlay } = this.#options;
    if (!nodeSwitch.isFollowing) return { kind: 'again', afterMs: whileAwayMs };
    seat.readySince ??= performance.now();
    let netns: Netns | undefined;
    const open = () => {
      netns ??= devices.open(path);
      return netns;
    };
    try {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(deviceTimeoutMs)]);
      const found = await underlay.find(open, bounded);
      if (found === undefined) return { kind: 'again', afterMs: whileAwayMs };
      const plan = planNic(allocation, found);
      const externalIds = externalIdsOf(seat.sandbox, addressTexts(allocation));
      const { state } = seat;
      if (state.kind === 'attached' && samePlan(state.plan, plan)) {
        const port = this.#wellPort(seat, state.device, externalIds);
        if (port !== undefined) {
          this.#options.announcer.announce(port, plan);
          return state;
        }
        const left = this.#deadPortWait(seat);
        if (left > 0) return { kind: 'again', afterMs: left };
      }
      const device = await this.#bring({ seat, plan, externalIds, netns: open(), signal: bounded });
      delete seat.deadSince;
      return { kind: 'attached', device, plan };
    } catch (error) {
      if (error instanceof NetnsError) return { kind: 'refused', reason: error.message };
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return this.#afterTearDown(seat, path, signal);
    } finally {
      netns?.[Symbol.dispose]();
    }
  }

  /** Takes a sandbox's NIC away. @returns false while the switch cannot be reached. */
  async detach({ sandbox }: Seat, signal: AbortSignal): Promise<boolean> {
    const { nodeSwitch, metrics, log } = this.#options;
    if (!nodeSwitch.isFollowing) return false;
    const names = nodeSwitch.portsOf(sandbox.id).map(({ name }) => name);
    if (names.length === 0) return true;
    await this.#remove(names, signal);
    metrics.removals.inc({ kind: 'stopped' });
    log.info({ pod: podKey(sandbox), sandbox: sandbox.id, devices: names }, 'NIC of a pod is removed');
    return true;
  }

  /**
   * Removes what belongs to no sandbox. Only when the runtime has told of all.
   *
   * @returns false while the switch cannot be reached.
   */
  async removeOrphans(seats: () => Iterable<Seat>, signal: AbortSignal): Promise<boolean> {
    const { nodeSwitch, devices, metrics, log } = this.#options;
    if (!nodeSwitch.isFollowing) return false;
    const { links } = await devices.observeHost(signal);
    // Read after that wait: what came meanwhile is known.
    const known = new Map([...seats()].map(seat => [seat.sandbox.id, seat]));
    const kept = new Set(this.#making);
    for (const { sandbox, state } of known.values()) {
      kept.add(interfaceName(sandbox));
      if (state.kind === 'attached') kept.add(state.device);
    }
    const orphans = findOrphans({
      ports: [...nodeSwitch.ports()],
      hasPort: name => nodeSwitch.hasPort(name),
      links,
      isKnown: id => known.has(id),
      kept,
    });
    if (orphans.length === 0) return true;
    await this.#remove(orphans, signal);
    metrics.removals.inc({ kind: 'orphan' }, orphans.length);
    log.info({ devices: orphans }, 'devices that belonged to no pod are removed');
    return true;
  }

  /**
   * Looks after a pod that has no address, or none any more, as the API sees it, or no network, as the runtime does: it is
   * known, and keeps a NIC that it has, until its network is gone.
   *
   * @param netns undefined where the runtime tells of none; the port says which it was.
   */
  async checkLeftOver(
    seat: Seat,
    netns: string | undefined,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    const { nodeSwitch, devices } = this.#options;
    if (!nodeSwitch.isFollowing) return { kind: 'again', afterMs: whileAwayMs };
    const ports = nodeSwitch.portsOf(seat.sandbox.id);
    const dead = ports.find(({ isDead }) => isDead);
    const path = netns ?? dead?.externalIds.get('pod_netns');
    if (path === undefined || (ports.length > 0 && dead === undefined)) return undefined;
    try {
      devices.open(path)[Symbol.dispose]();
      return undefined;
    } catch (error) {
      // Between its unmounting, which takes the device along, and its end, the file is no namespace.
      if (error instanceof NetnsError)
        return dead === undefined ? undefined : { kind: 'again', afterMs: whileAwayMs };
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return this.#afterTearDown(seat, path, signal);
    }
  }

  /**
   * The runtime does not tell of every end: containerd 2.4 forgets to for pods that it ran before it was restarted
   * itself. A namespace that cannot be found is torn down only where its device is gone too, as the kernel takes it along.
   */
  async #afterTearDown(seat: Seat, path: string, signal: AbortSignal): Promise<Outcome> {
    const { devices, nodeSwitch } = this.#options;
    const names = nodeSwitch.portsOf(seat.sandbox.id).map(({ name }) => name);
    const { links } = await devices.observeHost(signal);
    if (links.some(({ name }) => names.includes(name))) {
      return {
        kind: 'refused',
        reason: `Cannot find ${path} though its device is there: is it mounted here?`,
      };
    }
    await this.detach(seat, signal);
    return { kind: 'gone' };
  }

  /** The sandbox's only port, where it is as it should be. */
  #wellPort(
    seat: Seat,
    device: string,
    externalIds: Readonly<Record<string, string>>,
  ): SwitchPort | undefined {
    const [port, ...more] = this.#options.nodeSwitch.portsOf(seat.sandbox.id);
    if (port === undefined || more.length > 0 || port.name !== device || port.isDead) return undefined;
    if (!saysAll(port, externalIds)) return undefined;
    delete seat.deadSince;
    return port;
  }

  /** @returns for how many milliseconds a port that is dead may still come back by itself. */
  #deadPortWait(seat: Seat): number {
    if (!this.#options.nodeSwitch.portsOf(seat.sandbox.id).some(({ isDead }) => isDead)) return 0;
    const now = performance.now();
    seat.deadSince ??= now;
    return deadMs - (now - seat.deadSince);
  }

  async #bring(job: Job): Promise<string> {
    const begin = performance.now();
    const { nodeSwitch, devices, metrics, log, announcer } = this.#options;
    const { seat, plan, netns, signal } = job;
    const { sandbox } = seat;
    await this.#takeFromRivals(sandbox, signal);
    let device: string | undefined;
    let way: 'late' | 'start' | 'adopt' = seat.isLate ? 'late' : 'start';
    if (seat.state.kind === 'new') device = await this.#make(interfaceName(sandbox), job);
    if (device === undefined) {
      const [pod, host] = await Promise.all([devices.observe(netns, signal), devices.observeHost(signal)]);
      const ports = nodeSwitch.portsOf(sandbox.id);
      const hasPort = (name: string) => nodeSwitch.hasPort(name);
      const attachment = decideAttachment({ sandbox, plan, pod, host, ports, hasPort });
      if (attachment.kind === 'keep') way = 'adopt';
      device = await this.#apply(attachment, job);
    }
    const since = way === 'late' ? (seat.readySince ?? begin) : begin;
    metrics.attachSeconds.observe({ way }, (performance.now() - since) / 1_000);
    const { addresses, mac } = plan;
    log.info({ pod: podKey(sandbox), sandbox: sandbox.id, device, way, addresses, mac }, 'pod has its NIC');
    const [port] = nodeSwitch.portsOf(sandbox.id);
    if (port !== undefined) announcer.announce(port, plan);
    return device;
  }

  async #apply(attachment: Attachment, job: Job): Promise<string> {
    const { nodeSwitch, devices } = this.#options;
    const { seat, externalIds, netns, signal } = job;
    const { sandbox } = seat;
    if (attachment.remove.length > 0) await this.#remove(attachment.remove, signal);
    if (attachment.kind === 'make') {
      if (attachment.isInTheWay) await devices.deleteInPod(netns, signal);
      const isFirst = attachment.remove.length === 0 && !attachment.isInTheWay;
      const name = interfaceName(sandbox, isFirst ? '' : crypto.randomUUID());
      const made = await this.#make(name, job);
      if (made === undefined)
        throw new ProgramError(`Cannot make ${name} as the pod must have no such device`);
      if (!isFirst) this.#repaired(seat, 'made');
      return made;
    }
    const { device, inPod, onHost } = attachment;
    if (onHost.length > 0) await devices.changeOnHost(onHost, signal);
    if (!isNoRepair(inPod)) await devices.repair(inPod, netns, signal);
    if (attachment.port === 'add') await nodeSwitch.addPort(device, externalIds, signal);
    const port = nodeSwitch.portsOf(sandbox.id).find(({ name }) => name === device);
    if (port !== undefined && !saysAll(port, externalIds))
      await nodeSwitch.setExternalIds(device, externalIds, signal);
    if (!isNothingToDo(attachment)) this.#repaired(seat, attachment.port === 'add' ? 'port' : 'changed');
    return device;
  }

  /** @returns the device's name, or undefined where the pod, or the node, has such a device already. */
  async #make(name: string, { plan, externalIds, netns, signal }: Job): Promise<string | undefined> {
    this.#making.add(name);
    try {
      const { devices, nodeSwitch } = this.#options;
      await devices.make(name, plan, netns, signal, () => nodeSwitch.addPort(name, externalIds, signal));
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

  /** The ports first: a port whose device went is an error in the switch's log. */
  async #remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    const { nodeSwitch, devices, announcer } = this.#options;
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(deviceTimeoutMs)]);
    await nodeSwitch.removePorts(names, bounded);
    await devices.deleteOnHost(names, bounded);
    announcer.forget(names);
  }

  #repaired({ sandbox }: Seat, kind: 'changed' | 'made' | 'port'): void {
    this.#options.metrics.repairs.inc({ kind });
    this.#options.log.info({ pod: podKey(sandbox), sandbox: sandbox.id, kind }, 'NIC was repaired');
  }
}
