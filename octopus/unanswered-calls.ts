import type { PeerState } from './device-state.ts';

interface Call {
  readonly endpoint: string;
  readonly at: number;
  /** Calls to this endpoint that nobody has answered. */
  readonly count: number;
}

/** Time until the second call; it doubles from call to call, so that a far end has the time that it needs. Milliseconds. */
const firstPauseMs = 300;
const mostCalls = 4;

/**
 * Who was dialled and did not answer yet. WireGuard sends the first packet of a handshake again after 5 s (its paper,
 * section 6.4); one that was lost because the other end was just being set up, as after a takeover, is sent again sooner.
 */
export class UnansweredCalls {
  readonly #calls = new Map<string, Call>();

  /** These were dialled just now. @param endpoints by cluster id. */
  made(endpoints: ReadonlyMap<string, string>, now: number): void {
    for (const [id, endpoint] of endpoints) {
      const before = this.#calls.get(id);
      const count = before?.endpoint === endpoint ? before.count + 1 : 1;
      this.#calls.set(id, { endpoint, at: now, count });
    }
  }

  /** @returns who is to be dialled anew now. */
  look(peers: ReadonlyMap<string, PeerState>, now: number): ReadonlySet<string> {
    const again = new Set<string>();
    for (const [id, call] of this.#calls) {
      const peer = peers.get(id);
      if (peer === undefined || peer.handshakeAt > 0) this.#calls.delete(id);
      else if (call.count < mostCalls && dueAt(call) <= now) again.add(id);
    }
    return again;
  }

  /** Milliseconds until somebody is to be dialled anew; undefined where there is nobody. */
  nextIn(now: number): number | undefined {
    const waits = [...this.#calls.values()]
      .filter(call => call.count < mostCalls && dueAt(call) > now)
      .map(call => dueAt(call) - now);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }
}

function dueAt({ at, count }: Call): number {
  return at + firstPauseMs * 2 ** (count - 1);
}
