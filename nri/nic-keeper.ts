import type { Registry } from 'prom-client';
import { Controller, type Requeue } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';
import { type AllocationReading, addressTexts, readAllocation } from './allocation.ts';
import { isInterfaceName } from './interface-name.ts';
import { type NriMetrics, nriMetrics, type RuntimeMode } from './metrics.ts';
import { NicWorker, type NicWorkerOptions } from './nic-worker.ts';
import { podKey, type Sandbox } from './sandbox.ts';
import { type Seat, Seats } from './seats.ts';
import { WaitBudget } from './wait-budget.ts';
import { isPodOf, type WatchedPod } from './watched-pod.ts';

export interface NicKeeperOptions extends Omit<NicWorkerOptions, 'metrics'> {
  /** The pods of this node, as the API has them. */
  readonly pods: { get(key: string): WatchedPod | undefined };
  /** Milliseconds that the start of a pod waits for its address at most. */
  readonly wait: number;
  readonly log: Logger;
  readonly registry: Registry;
  /** How it learns of pods, for the metrics; and a way to ask for the network namespace of a sandbox. */
  readonly runtime: () => {
    readonly mode: RuntimeMode;
    readonly isConnected: boolean;
    netnsOf(id: string, signal: AbortSignal): Promise<string | undefined>;
  };
}

/** The runtime closes plugins after 2 s: whatever a pod's start waits for ends before. */
const longestStartMs = 1_400;
const whileAwayMs = 250;
/** The key under which the search for what belongs to no pod is queued; no sandbox has it. */
const orphansKey = '';
/** All NICs are looked at so often, in milliseconds: a healthy one costs a comparison. */
const lookMs = 30_000;

/**
 * Keeps the NICs of the node's pods as their annotations say: one reconcile of a sandbox reads all that is known, and
 * makes, adopts, repairs or removes. What could not be read is never taken for gone.
 */
export class NicKeeper {
  readonly #options: NicKeeperOptions;
  readonly #log: Logger;
  readonly #metrics: NriMetrics;
  readonly #controller: Controller;
  readonly #worker: NicWorker;
  readonly #seats = new Seats();
  /** For the address to come, and for the work after that. */
  readonly #addressBudget: WaitBudget;
  readonly #workBudget = new WaitBudget(longestStartMs);
  /** Whether the runtime has told of all sandboxes. */
  #knowsAll = false;

  constructor(options: NicKeeperOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#addressBudget = new WaitBudget(options.wait);
    this.#metrics = nriMetrics(options.registry, () => {
      const { mode, isConnected } = options.runtime();
      const isSwitchFollowed = options.nodeSwitch.isFollowing;
      return { mode, isRuntimeConnected: isConnected, isSwitchFollowed, ...this.#count() };
    });
    this.#worker = new NicWorker({ ...options, metrics: this.#metrics });
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
        if (change.table === 'Bridge' || change.table === 'Open_vSwitch') this.#lookAtAll();
        if (change.table !== 'Interface') continue;
        const row = change.after ?? change.before;
        const id = row?.external_ids.get('sandbox') ?? '';
        if (this.#seats.get(id) !== undefined) this.#controller.enqueue(id);
        // A database that stood still for a while may add a port that nobody waits for any more.
        else if (change.after !== undefined && isInterfaceName(change.after.name) && this.#knowsAll)
          this.#controller.enqueue(orphansKey);
      }
    });
    const endsToo = this.#options.underlay.subscribe(() => this.#lookAtAll());
    // Whatever nobody told of is found all the same.
    const looks = setInterval(() => this.#lookAtAll(), lookMs);
    try {
      await this.#controller.run(signal);
    } finally {
      ends();
      endsToo();
      clearInterval(looks);
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
      if (known === undefined || known.sandbox.netns !== sandbox.netns || known.state.kind === 'superseded')
        this.#seats.add(sandbox, { kind: 'unseen' });
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
    const { id } = sandbox;
    for (const rival of this.#seats.ofPod(podKey(sandbox))) {
      if (rival.sandbox.id === id || rival.state.kind === 'leaving') continue;
      this.#seats.setState(rival, { kind: 'superseded' });
      this.#controller.enqueue(rival.sandbox.id);
    }
    if (this.#seats.get(id) === undefined) this.#seats.add(sandbox, { kind: 'new' });
    this.#controller.enqueue(id);
    if (sandbox.netns === undefined) return true;
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
    const outcome = seat?.state.kind === 'attached' ? 'attached' : 'late';
    this.#metrics.waitSeconds.observe({ outcome }, (performance.now() - begin) / 1_000);
    return outcome === 'attached';
  }

  /** A sandbox is stopped or removed: its NIC goes. Unknown ones, and those told of twice, are no failure. */
  async stop(sandbox: Sandbox): Promise<void> {
    const { id } = sandbox;
    this.#leave(this.#seats.get(id) ?? this.#seats.add(sandbox, { kind: 'leaving' }));
    // While the switch is away it is done later; the runtime stops one pod at a time and must not wait for it.
    if (!this.#options.nodeSwitch.isFollowing) return;
    await this.#seats.wait(id, () => this.#seats.get(id) === undefined, longestStartMs);
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
    const again = (isDone: boolean) => (isDone ? undefined : { requeueAfter: whileAwayMs });
    if (id === orphansKey) return again(await this.#worker.removeOrphans(() => this.#seats.values(), signal));
    const seat = this.#seats.get(id);
    if (seat === undefined) return undefined;
    try {
      const { kind } = seat.state;
      if (kind === 'superseded') return again(await this.#worker.detach(seat, signal));
      if (kind === 'leaving') {
        const isDone = await this.#worker.detach(seat, signal);
        if (isDone && this.#seats.get(id) === seat) this.#seats.delete(id);
        return again(isDone);
      }
      return await this.#attach(seat, signal);
    } catch (error) {
      this.#metrics.failures.inc();
      if (seat.state.kind === 'new' || seat.state.kind === 'attached') seat.state = { kind: 'unseen' };
      throw error;
    }
  }

  async #attach(seat: Seat, signal: AbortSignal): Promise<undefined | Requeue> {
    const { sandbox } = seat;
    const isRefused = seat.state.kind === 'refused';
    if (!isRefused && sandbox.netns === undefined && (await this.#findNetns(seat, signal))) return undefined;
    const reading = this.#readAllocation(sandbox);
    if (reading.kind === 'refused' && sandbox.netns !== undefined && !isRefused)
      return this.#refuse(seat, 'annotation', reading.reason);
    const outcome =
      isRefused || reading.kind !== 'allocated' || sandbox.netns === undefined
        ? await this.#worker.checkLeftOver(seat, sandbox.netns, signal)
        : await this.#worker.attach(seat, sandbox.netns, reading.allocation, signal);
    if (outcome === undefined) return undefined;
    if (outcome.kind === 'again') return { requeueAfter: outcome.afterMs };
    // Also for one that is told to leave as it took too long: or no start would ever wait again where a NIC is required.
    if (outcome.kind === 'attached') this.#workBudget.wasOfUse();
    // It may have been told to leave meanwhile.
    if (seat.state.kind === 'leaving' || seat.state.kind === 'superseded') return undefined;
    if (outcome.kind === 'gone') {
      if (this.#seats.get(sandbox.id) === seat) this.#seats.delete(sandbox.id);
      return undefined;
    }
    if (outcome.kind === 'refused') return this.#refuse(seat, 'netns', outcome.reason);
    if (seat.state !== outcome) this.#seats.setState(seat, outcome);
    return undefined;
  }

  /**
   * A pod that has a network of its own, by the API, and none by the runtime: torn down, or containerd was killed after it had
   * started the sandbox and before it had written down how. It keeps such a sandbox, calls nobody, and lists it by NRI
   * without its namespace for ever; by CRI it tells.
   *
   * @returns whether it was found: the sandbox has another seat then.
   */
  async #findNetns(seat: Seat, signal: AbortSignal): Promise<boolean> {
    const { sandbox } = seat;
    const key = podKey(sandbox);
    const pod = this.#options.pods.get(key);
    if (pod === undefined || pod.isFinished || !isPodOf(pod, sandbox)) return false;
    const netns = await this.#options.runtime().netnsOf(sandbox.id, signal);
    if (netns === undefined) return false;
    if (this.#seats.get(sandbox.id) !== seat || seat.state.kind === 'leaving') return true;
    this.#log.info({ pod: key, sandbox: sandbox.id, netns }, 'runtime lists a pod without its network');
    this.#seats.add({ ...sandbox, netns }, { kind: 'unseen' });
    this.#settleRivals(key);
    this.#controller.enqueue(sandbox.id);
    return true;
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

  /**
   * What the API says; where it does not show the pod, not yet or no more, what the kubelet said when it made the sandbox,
   * unless the pod was given other addresses since.
   */
  #readAllocation(sandbox: Sandbox): AllocationReading {
    const { pods, nodeSwitch } = this.#options;
    const pod = pods.get(podKey(sandbox));
    if (pod !== undefined) return isPodOf(pod, sandbox) ? readAllocation(pod.annotations) : { kind: 'none' };
    const reading = readAllocation(sandbox.annotations);
    if (reading.kind !== 'allocated') return reading;
    const given = addressTexts(reading.allocation);
    const isOld = nodeSwitch.portsOf(sandbox.id).some(({ externalIds }) => externalIds.get('ip') !== given);
    return isOld ? { kind: 'none' } : reading;
  }

  #count(): { readonly attached: number; readonly waiting: number } {
    const onNetwork = [...this.#seats.values()].filter(({ sandbox }) => sandbox.netns !== undefined);
    const attached = onNetwork.filter(({ state }) => state.kind === 'attached').length;
    return { attached, waiting: onNetwork.length - attached };
  }
}
