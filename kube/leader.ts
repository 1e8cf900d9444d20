import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { KubeObject } from '../api/meta.ts';
import { leases } from '../api/resource.ts';
import type { Logger } from '../process/log.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import { heldBy, LeaseObserver, readLease, released } from './lease.ts';
import { kubeMetrics } from './metrics.ts';
import { Term } from './term.ts';

export { TermEnded } from './term.ts';

export interface LeadershipOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Lease object. */
  readonly name: string;
  /** Unique to this process: two with the same identity would both lead. */
  readonly identity: string;
  /** How long the others wait after a renewal that they saw, 15 s where it is not given. */
  readonly leaseDurationMs?: number | undefined;
  /** How long after its last renewal the leader stops, 10 s; must be below the lease's duration. */
  readonly renewDeadlineMs?: number | undefined;
  /** Time between two attempts, 2 s; must be below the renewal deadline. */
  readonly retryMs?: number | undefined;
  /** Time from one renewal to the next, `retryMs` where it is not given; must be below the renewal deadline. */
  readonly renewMs?: number | undefined;
  /** Annotations of the Lease while it is ours. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /**
   * Whether who holds a Lease lives, though it does not renew it: asked from the middle of the lease on, at most once at
   * a time. One that lives keeps a lease for {@link graceMs} over its end, as what keeps it from renewing may be the API
   * server. Where it is not given, or is rejected, nobody does.
   */
  readonly isAlive?: ((lease: KubeObject, signal: AbortSignal) => Promise<boolean>) | undefined;
  /** Milliseconds, 0 where it is not given. */
  readonly graceMs?: number | undefined;
  readonly log: Logger;
  readonly metrics?: Registry | undefined;
  /** Ends the leadership: `lead` is stopped first, then the lease is given back. */
  readonly signal: AbortSignal;
}

/**
 * Calls `lead` whenever, and only while, this process holds the Lease; resolves when the signal is aborted.
 *
 * The signal that `lead` gets is aborted `renewDeadlineMs` after the last renewal was sent, whatever the network does,
 * and so before anybody else may take the lease; a client refuses every write that carries it from then on. `lead` is
 * awaited before the lease is given back and before it is sought again. Where `lead` returns by itself, so does this.
 *
 * @throws what `lead` throws while it leads; TypeError for times that contradict each other.
 */
export async function leadWhileHolding(
  options: LeadershipOptions,
  lead: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const times = checkedTimes(options);
  const { signal, identity, name } = options;
  const log = options.log.child({ lease: name, identity });
  const gauge = options.metrics && kubeMetrics(options.metrics).leader;
  gauge?.set({ lease: name }, 0);
  while (!signal.aborted) {
    const seat = new Seat(options, times, log);
    const term = await seat.seek();
    if (term === undefined) return;
    log.info('leading');
    gauge?.set({ lease: name }, 1);
    const onStop = () => term.end('this process is stopping');
    signal.addEventListener('abort', onStop, { once: true });
    if (signal.aborted) onStop();
    const renewing = seat.renew(term);
    try {
      await lead(term.signal);
      if (!term.signal.aborted) return;
    } catch (error) {
      // What a stopped leader throws is how it stopped.
      if (!term.signal.aborted) throw error;
    } finally {
      gauge?.set({ lease: name }, 0);
      signal.removeEventListener('abort', onStop);
      term.end('it is over');
      await renewing;
      await seat.release();
    }
    log.info({ reason: (term.signal.reason as Error).message }, 'not leading any more');
  }
}

interface Times {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
  readonly renewMs: number;
}

function checkedTimes(options: LeadershipOptions): Times {
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryMs = 2_000 } = options;
  const { renewMs = retryMs } = options;
  if (!(renewDeadlineMs < leaseDurationMs)) {
    throw new TypeError(
      `Cannot lead as renewDeadlineMs must be below leaseDurationMs ${leaseDurationMs}: current value is ${renewDeadlineMs}`,
    );
  }
  for (const [name, value] of Object.entries({ retryMs, renewMs })) {
    if (value > 0 && value < renewDeadlineMs) continue;
    throw new TypeError(
      `Cannot lead as ${name} must be above 0 and below renewDeadlineMs ${renewDeadlineMs}: current value is ${value}`,
    );
  }
  return { leaseDurationMs, renewDeadlineMs, retryMs, renewMs };
}

/** One candidate's dealings with the Lease object, from seeking it to giving it back. */
class Seat {
  readonly #options: LeadershipOptions;
  readonly #times: Times;
  readonly #log: Logger;
  readonly #observer = new LeaseObserver();
  /** The Lease as we last wrote it. */
  #held: KubeObject | undefined;
  /** Whether the one that holds it lives, once that was asked. */
  #life: Promise<boolean> | undefined;
  /** Since when a lease of another one is over. */
  #overSince: number | undefined;

  constructor(options: LeadershipOptions, times: Times, log: Logger) {
    this.#options = options;
    this.#times = times;
    this.#log = log;
  }

  /** Resolves with the term once the lease is ours, with undefined when the signal is aborted. */
  async seek(): Promise<Term | undefined> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const sentAt = performance.now();
      let binding: number | undefined;
      try {
        binding = await this.#attempt(signal);
        if (binding === undefined) return new Term(sentAt, this.#times.renewDeadlineMs);
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!isLostRace(error)) this.#log.warn({ err: error }, 'cannot seek the lease, trying again');
      }
      // Not later than the lease ends.
      await this.#pause(signal, this.#times.retryMs, binding);
    }
    return undefined;
  }

  /** Keeps the lease until the term is over. */
  async renew(term: Term): Promise<void> {
    const { signal } = term;
    const { renewMs, retryMs } = this.#times;
    let pauseMs = renewMs;
    while (!signal.aborted) {
      await this.#pause(signal, pauseMs);
      if (signal.aborted) return;
      const sentAt = performance.now();
      try {
        const binding = await this.#attempt(signal);
        if (binding === undefined) term.renewed(sentAt);
        else term.end('another holds the lease');
        pauseMs = renewMs;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({ err: error }, 'cannot renew the lease, trying again');
        pauseMs = Math.min(renewMs, retryMs);
      }
    }
  }

  /** Gives the lease back, where we may still hold it. Failing is no harm: it ends by itself. */
  async release(): Promise<void> {
    const signal = AbortSignal.timeout(Math.ceil(this.#times.retryMs));
    let held = this.#held;
    this.#held = undefined;
    try {
      while (held !== undefined) held = await this.#giveBack(held, signal);
    } catch (error) {
      this.#log.info({ err: error }, 'cannot give the lease back, it ends by itself');
    }
  }

  /** @returns the lease as it is where it is still ours: a renewal that was given up may have come through. */
  async #giveBack(held: KubeObject, signal: AbortSignal): Promise<KubeObject | undefined> {
    const { client, namespace, name, identity } = this.#options;
    try {
      await client.update(leases, { ...held, spec: released(readLease(held), new Date()) }, { signal });
      return undefined;
    } catch (error) {
      if (!isLostRace(error)) throw error;
    }
    const current = await client.get(leases, { namespace, name }, { signal });
    return current !== undefined && readLease(current).holder === identity ? current : undefined;
  }

  /** Takes or renews the lease. @returns undefined where it is ours, else how long it still binds us, in milliseconds. */
  async #attempt(until: AbortSignal): Promise<number | undefined> {
    const signal = this.#limited(until);
    const { client, namespace, name, identity } = this.#options;
    const { leaseDurationMs } = this.#times;
    if (this.#held !== undefined) {
      try {
        return await this.#write(this.#held, signal);
      } catch (error) {
        if (!isLostRace(error)) throw error; // Somebody wrote it: see who.
      }
    }
    const current = await client.get(leases, { namespace, name }, { signal });
    if (current === undefined) {
      const spec = heldBy(identity, undefined, leaseDurationMs, new Date());
      const { annotations = {} } = this.#options;
      const metadata = { namespace, name, annotations };
      this.#held = await client.create(leases, { metadata, spec }, { signal });
      return undefined;
    }
    const record = readLease(current);
    const over = this.#observer.observe(record, performance.now());
    const binding = record.holder === '' ? 0 : await this.#keeps(current, over, until);
    if (record.holder !== identity && binding > 0) {
      this.#held = undefined;
      return binding;
    }
    return await this.#write(current, this.#limited(until));
  }

  /** A connection that hangs leaves time for a second attempt on another one. */
  #limited(until: AbortSignal): AbortSignal {
    return AbortSignal.any([until, AbortSignal.timeout(Math.ceil(this.#times.renewDeadlineMs / 2))]);
  }

  /** How long its holder keeps a lease, in milliseconds. @param over until it is over. */
  async #keeps(lease: KubeObject, over: number, until: AbortSignal): Promise<number> {
    const { isAlive, graceMs = 0, identity } = this.#options;
    const { leaseDurationMs, retryMs } = this.#times;
    const { holder } = readLease(lease);
    if (over > 0) this.#overSince = undefined;
    if (isAlive === undefined || holder === identity || over > leaseDurationMs / 2) {
      this.#life = undefined;
      return over;
    }
    // Before the end, so that the answer is there when it comes.
    this.#life ??= isAlive(lease, this.#limited(until)).catch(() => false);
    if (over > 0) return over;
    const lives = await this.#life;
    // Who is dead stays dead until it renews.
    if (lives) this.#life = undefined;
    this.#overSince ??= performance.now();
    const overMs = performance.now() - this.#overSince;
    if (!lives || overMs >= graceMs) return 0;
    if (overMs < retryMs) this.#log.info({ holder }, 'lease is over, but its holder lives');
    return retryMs;
  }

  async #write(current: KubeObject, signal: AbortSignal): Promise<undefined> {
    const { client, identity, annotations } = this.#options;
    const spec = heldBy(identity, readLease(current), this.#times.leaseDurationMs, new Date());
    const metadata = {
      ...current.metadata,
      annotations: { ...current.metadata.annotations, ...annotations },
    };
    this.#held = await client.update(leases, { ...current, metadata, spec }, { signal });
    return undefined;
  }

  async #pause(signal: AbortSignal, usualMs: number, mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    const ms = Math.min(usualMs * (0.9 + 0.3 * Math.random()), Math.ceil(mostMs));
    await sleep(ms, undefined, { signal }).catch(() => undefined); // Aborted: the caller looks.
  }
}

/** Somebody else was faster: nothing to report. */
function isLostRace(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 409 || error.status === 404);
}
