import { setTimeout as sleep } from 'node:timers/promises';
import { OutcomeUnknownError, TransactionError } from 'ovsdb-client';
import { WorkQueue } from '../kube/queue.ts';
import type { Logger } from '../process/log.ts';
import type { AddressBook } from './address-book.ts';
import { type Assignment, addressesIn } from './assignment.ts';
import type { MayBeGateway } from './claimant.ts';
import { ownerOfPort } from './desired-port.ts';
import type { ControllerMetrics } from './metrics.ts';
import { formatCidrs, formatGlobals, type Network } from './network.ts';
import { FencedError, type Northbound } from './northbound.ts';
import type { PortOwner, PortOwners } from './port-owner.ts';
import { isDone, type PortPlan, planPorts } from './port-plan.ts';
import { rebuildBook } from './rebuild-book.ts';
import type { Refusal } from './refusal.ts';
import { WaitingPods, waitingMs } from './waiting-pods.ts';

/** Told of what became of pods and nodes; returns at once. */
export interface PortListener {
  /** Its port is as it should be. */
  onServed(key: string): void;
  onRefused(key: string, refusal: Refusal): void;
  /** OVN did not take its port; it is tried again. */
  onFailed(key: string, error: unknown): void;
  /** It is gone, or no pod of ours any more. */
  onReleased(key: string): void;
}

export interface PortControllerOptions {
  readonly northbound: Northbound;
  readonly owners: PortOwners;
  readonly mayBeGateway: MayBeGateway;
  readonly identity: string;
  readonly quarantineMs: number;
  /** Pods in one transaction at most. */
  readonly batchSize: number;
  readonly listener: PortListener;
  readonly log: Logger;
  readonly metrics: ControllerMetrics;
}

/**
 * Between two transactions, in milliseconds: pods that come meanwhile share one. OVN's databases and daemons look at all
 * ports of a switch after each, some millisecond for a thousand: so much longer is gathered that this stays a few per cent
 * of a core. A pod that comes alone does not wait.
 */
const gather = { least: 40, perPort: 0.02, most: 250 } as const;

/**
 * Keeps OVN's ports equal to the pods and nodes: batches of them, a plan, one transaction. One at a time runs, in the
 * leader.
 */
export class PortController {
  readonly #options: PortControllerOptions;
  readonly #log: Logger;
  readonly #queue = new WorkQueue({ backoff: { minMs: 50, maxMs: 10_000 } });
  readonly #waiting = new WaitingPods(key => this.enqueue(key));
  #book: AddressBook | undefined;
  /** After a transaction failed: pods are tried in groups of this size, until one alone is known to be at fault. */
  #groupSize: number;
  /** performance.now(): pods are gathered until then. */
  #gatherUntil = Number.NEGATIVE_INFINITY;

  constructor(options: PortControllerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#groupSize = options.batchSize;
  }

  /** A pod may need something else than it has. */
  enqueue(key: string): void {
    this.#queue.add(key);
  }

  assignmentOf(key: string): Assignment | undefined {
    return this.#book?.get(key);
  }

  refusalOf(key: string): Refusal | undefined {
    return this.#waiting.get(key);
  }

  get book(): AddressBook | undefined {
    return this.#book;
  }

  /** Pods that wait for their turn. */
  get depth(): number {
    return this.#queue.depth;
  }

  /** Pods that were refused. */
  get refused(): number {
    return this.#waiting.size;
  }

  /**
   * Works until the signal is aborted; begins by taking the switch over and looking at everything.
   *
   * @param decide says which network it is, when everything that earlier writers did is seen.
   */
  async run(decide: () => Network, signal: AbortSignal): Promise<void> {
    const { northbound, owners } = this.#options;
    const unsubscribe = northbound.subscribe(changes => {
      for (const { uuid, before, after } of changes) {
        const keys = [before, after].map(port => port && ownerOfPort(port));
        for (const key of keys) if (key !== undefined) this.enqueue(key);
        const isForeign = after !== undefined && ownerOfPort(after) === undefined;
        this.#book?.setForeign(uuid, isForeign ? addressesIn(after.addresses) : [], performance.now());
        if (before !== undefined && ownerOfPort(before) === undefined) this.#waiting.wake();
      }
    });
    this.#queue.open();
    try {
      await this.#takeOver(decide, signal);
      for (const { key } of owners.values()) this.enqueue(key);
      for (const port of northbound.ports.values()) {
        const key = ownerOfPort(port);
        if (key !== undefined) this.enqueue(key);
      }
      while (!signal.aborted) await this.#turn(decide, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      unsubscribe();
      this.#queue.close();
      this.#waiting.clear();
    }
  }

  async #takeOver(decide: () => Network, signal: AbortSignal): Promise<void> {
    const { northbound, owners, mayBeGateway, identity, quarantineMs } = this.#options;
    const startedAt = performance.now();
    let network: Network;
    for (;;) {
      await northbound.begin(identity, signal);
      network = decide();
      try {
        await northbound.record(formatCidrs(network), formatGlobals(network), signal);
        break;
      } catch (error) {
        // Another one came between, or nobody knows whether it is written: what is there by the next begin tells.
        const reason = failureReason(error);
        if (reason !== 'fenced' && reason !== 'unknown') throw error;
        this.#options.metrics.transactionFailures.inc({ reason });
      }
    }
    this.#book = rebuildBook({
      network,
      quarantineMs,
      owners: owners.values(),
      owner: key => owners.get(key),
      ports: northbound.ports.values(),
      released: northbound.released,
      mayBeGateway,
      now: performance.now(),
      wallNow: Date.now(),
    });
    const ms = Math.round(performance.now() - startedAt);
    this.#log.info(
      { ports: northbound.ports.size, assignments: this.#book.size, ms },
      'took the switch over',
    );
  }

  /** One batch. */
  async #turn(decide: () => Network, signal: AbortSignal): Promise<void> {
    const keys = [await this.#queue.take(signal)];
    const gathering = this.#gatherUntil - performance.now();
    if (gathering > 0) await sleep(gathering, undefined, { signal }).catch(() => {}); // Aborted: nothing is lost.
    while (keys.length < this.#groupSize) {
      const key = this.#queue.takeReady();
      if (key === undefined) break;
      keys.push(key);
    }
    try {
      await this.#reconcile(keys, signal);
      for (const key of keys) this.#queue.forget(key);
      this.#groupSize = Math.min(this.#options.batchSize, this.#groupSize * 2);
    } catch (error) {
      if (signal.aborted) return;
      await this.#recover(keys, error, decide, signal);
    } finally {
      for (const key of keys) this.#queue.done(key);
    }
  }

  async #reconcile(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const { northbound, owners, mayBeGateway, listener, metrics } = this.#options;
    const book = this.#book;
    if (book === undefined) throw new Error('Cannot plan ports as the switch must be taken over');
    const wallNow = Date.now();
    const plan = planPorts(keys, {
      owner: key => owners.get(key),
      portsOf: key => northbound.portsOf(key),
      portNamed: name => northbound.portNamed(name),
      mayBeGateway,
      book,
      now: performance.now(),
      wallNow,
    });
    if (!isDone(plan)) {
      const end = metrics.transactionSeconds.startTimer();
      await northbound.carryOut(plan, key => book.get(key)?.addresses ?? [], signal);
      end();
      const ms = Math.min(gather.most, Math.max(gather.least, northbound.ports.size * gather.perPort));
      this.#gatherUntil = performance.now() + ms;
      metrics.transactionPods.observe(keys.length);
      metrics.portChanges.inc({ change: 'create' }, plan.create.length);
      metrics.portChanges.inc({ change: 'repair' }, plan.repair.length);
      metrics.portChanges.inc({ change: 'remove' }, plan.remove.length);
    }
    this.#release(plan);
    for (const key of plan.served) {
      this.#waiting.delete(key);
      listener.onServed(key);
    }
    for (const { key, refusal } of plan.refused) this.#refuse(key, refusal);
    for (const key of keys) this.#lookAgain(owners.get(key), wallNow);
  }

  #release(plan: PortPlan): void {
    const now = performance.now();
    let released = 0;
    for (const key of plan.release) {
      if (this.#book?.get(key) !== undefined) released++;
      this.#book?.release(key, now);
      this.#waiting.delete(key);
      this.#options.listener.onReleased(key);
    }
    if (released > 0) this.#waiting.wake();
  }

  #refuse(key: string, refusal: Refusal): void {
    if (this.#waiting.add(key, refusal)) {
      this.#options.metrics.refusals.inc({ reason: refusal.reason });
      this.#options.listener.onRefused(key, refusal);
    }
    if (refusal.retryAfterMs !== undefined)
      this.#queue.addAfter(key, Math.max(waitingMs, refusal.retryAfterMs));
  }

  /** A deletion that hangs is judged again when its time is over. */
  #lookAgain(owner: PortOwner | undefined, wallNow: number): void {
    if (owner?.goneAt !== undefined && owner.goneAt > wallNow)
      this.#queue.addAfter(owner.key, owner.goneAt - wallNow + 1);
  }

  async #recover(
    keys: readonly string[],
    error: unknown,
    decide: () => Network,
    signal: AbortSignal,
  ): Promise<void> {
    const { northbound, metrics, identity } = this.#options;
    const reason = failureReason(error);
    metrics.transactionFailures.inc({ reason });
    if (reason === 'fenced') {
      this.#log.warn({ err: error }, 'the switch is not ours any more, taking it over again');
      // Another writer gave addresses out meanwhile; a database that was lost did not, and then we know better.
      if (northbound.isTakenOver) await this.#takeOver(decide, signal);
      else await northbound.begin(identity, signal);
      for (const { key } of this.#options.owners.values()) this.enqueue(key);
      return this.#again(keys);
    }
    if (reason === 'unknown') {
      // Whatever was under way is seen by the end of this, or never happens.
      await northbound.begin(identity, signal);
      return this.#again(keys);
    }
    const refused = reason === 'refused';
    if (refused && keys.length > 1) {
      // One of them is at fault: smaller groups find it, and serve the others.
      this.#groupSize = Math.max(1, Math.ceil(keys.length / 4));
      return this.#again(keys);
    }
    this.#log.warn({ err: error, pods: keys.length, key: keys[0] }, 'ports cannot be written, trying again');
    for (const key of keys) {
      this.#queue.retry(key);
      if (refused) this.#options.listener.onFailed(key, error);
    }
  }

  #again(keys: readonly string[]): void {
    for (const key of keys) this.#queue.add(key);
  }
}

/** Why a transaction did not succeed, as the metric has it. */
function failureReason(error: unknown): 'fenced' | 'unknown' | 'refused' | 'failed' {
  if (error instanceof FencedError) return 'fenced';
  if (error instanceof OutcomeUnknownError) return 'unknown';
  return error instanceof TransactionError ? 'refused' : 'failed';
}
