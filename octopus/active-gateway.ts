import { setTimeout as sleep } from 'node:timers/promises';
import { leases } from '../api/resource.ts';
import { type LeadershipOptions, leadWhileHolding } from '../kube/leader.ts';
import { readLease } from '../kube/lease.ts';
import type { Logger } from '../process/log.ts';

export interface ActiveOptions {
  readonly lease: LeadershipOptions;
  /** Carries the tunnels until its signal is aborted, and has taken them away when it resolves. */
  readonly carry: (signal: AbortSignal) => Promise<void>;
  /** Whether anybody answers at the other end of the tunnels. */
  readonly isHeard: () => boolean;
  /** Told when it is not certain any more, or again, that nobody else carries the tunnels. */
  readonly onDoubt: (isDoubtful: boolean) => void;
  /** Takes away what a former life of this process left. */
  readonly clear: () => Promise<void>;
  /** What is here of the tunnels; asked again and again while this gateway does not carry them. */
  readonly leftovers: () => Promise<readonly string[]>;
  readonly log: Logger;
  /** How often that is asked, in milliseconds. */
  readonly standByMs?: number;
}

/** How often the lease is looked at while it is not ours for certain. Milliseconds. */
const lookMs = 500;
/** How often a standby makes sure that it is one. Milliseconds. */
const standByMs = 5_000;

/** What a gateway that could not renew its lease does next. Pure. */
export function afterDoubt(
  holder: string | undefined | 'unreachable',
  identity: string,
  isHeard: boolean,
): 'stay' | 'yield' {
  if (holder === 'unreachable') return isHeard ? 'stay' : 'yield';
  return holder === undefined || holder === '' || holder === identity ? 'stay' : 'yield';
}

/**
 * Decides by a Lease which of several gateways carries the tunnels.
 *
 * Writes end with the lease, as everywhere; packets do not. An API server that is away takes no tunnel down: a gateway
 * that cannot renew goes on until it sees that another one holds the lease, or until nobody answers it any more, which
 * is what happens when another one has taken over and only we do not know.
 */
export async function carryWhileActive(options: ActiveOptions): Promise<void> {
  const { lease, log } = options;
  let active: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;
  /** All that was begun, one after the other: a lease may be won again before the former work has ended. */
  let work: Promise<void> = Promise.resolve();
  let holdsLease = false;
  let isDoubtful = false;
  const failure = new AbortController();
  const until = AbortSignal.any([lease.signal, failure.signal]);
  const start = () => {
    const stop = new AbortController();
    work = work.then(async () => {
      if (stop.signal.aborted) return;
      await options.carry(stop.signal).catch(error => {
        if (!stop.signal.aborted) failure.abort(error);
      });
    });
    active = { stop, done: work };
  };
  const end = async () => {
    const ended = active;
    active = undefined;
    ended?.stop.abort(new Error('this gateway is not the active one'));
    await ended?.done;
  };
  try {
    // Tunnels that a crash left are taken up again where the lease is still ours; else they are another's by now.
    const holder = await readHolder();
    if (holder !== undefined && afterDoubt(holder, lease.identity, true) === 'yield') await options.clear();
    void standBy();
    await leadWhileHolding({ ...lease, signal: until }, async term => {
      holdsLease = true;
      if (active === undefined) start();
      await aborted(term);
      holdsLease = false;
      // On a graceful end the tunnels go before the lease is given back: never two at once.
      if (until.aborted) await end();
      else void inDoubt().catch(error => failure.abort(error));
    });
  } finally {
    await end();
  }
  if (failure.signal.aborted) throw failure.signal.reason;

  async function standBy(): Promise<void> {
    while (!until.aborted) {
      await sleep(options.standByMs ?? standByMs, undefined, { signal: until }).catch(() => undefined);
      if (active !== undefined || until.aborted) continue;
      work = work.then(holdNothing).catch(error => {
        log.warn({ err: error }, 'what a standby must not have could not be taken away, trying again');
      });
      await work;
    }
  }

  /** A program of ours that was ended in its work may have left something, and of two that answer for an address one is wrong. */
  async function holdNothing(): Promise<void> {
    const left = await options.leftovers();
    if (left.length === 0) return;
    const holder = await readHolder();
    // What a crash left flows on as long as it is not another's.
    if (afterDoubt(holder, lease.identity, true) === 'stay') return;
    log.warn({ left, holder }, 'left from an active time, it is taken away');
    await options.clear();
  }

  async function inDoubt(): Promise<void> {
    if (isDoubtful) return;
    isDoubtful = true;
    options.onDoubt(true);
    try {
      await doubt();
    } finally {
      isDoubtful = false;
      options.onDoubt(false);
    }
  }

  async function doubt(): Promise<void> {
    log.warn('lease is not renewed, tunnels go on');
    // That the lease still names us is no end of it: it has run out, and another one may take it at any time.
    while (active !== undefined && !holdsLease && !until.aborted) {
      const holder = await readHolder();
      if (holdsLease) return;
      if (afterDoubt(holder, lease.identity, options.isHeard()) === 'yield') {
        log.warn({ holder }, 'another gateway carries the tunnels now');
        await end();
        return;
      }
      await sleep(lookMs, undefined, { signal: until }).catch(() => undefined);
    }
  }

  async function readHolder(): Promise<string | undefined> {
    try {
      const { namespace, name } = lease;
      const found = await lease.client.get(
        leases,
        { namespace, name },
        { signal: AbortSignal.timeout(lookMs * 4) },
      );
      return found && readLease(found).holder;
    } catch {
      return 'unreachable';
    }
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
}
