import type { PeerState } from './device-state.ts';
import type { LinkFigures } from './link-meter.ts';

/**
 * Finds sessions that only we know of, as the other end was started anew: two probes were lost, and not a byte came
 * between them. A tunnel that loses packets, or a gateway that is busy, keeps its session.
 */
export class StaleSessions {
  /** Clusters that lost a probe since the last look. */
  readonly #doubted = new Set<string>();
  /** What WireGuard had received of those when they were looked at. */
  readonly #receivedThen = new Map<string, number>();

  doubt(clusterId: string): void {
    this.#doubted.add(clusterId);
  }

  /** @returns those that are stale, each once. */
  look(peers: ReadonlyMap<string, PeerState>, links: ReadonlyMap<string, LinkFigures>): ReadonlySet<string> {
    const stale = new Set<string>();
    for (const id of this.#doubted) {
      const received = peers.get(id)?.rxBytes ?? 0;
      if (this.#receivedThen.get(id) === received) {
        stale.add(id);
        this.#receivedThen.delete(id);
      } else this.#receivedThen.set(id, received);
    }
    this.#doubted.clear();
    for (const [id, { lostInRow }] of links) if (lostInRow === 0) this.#receivedThen.delete(id);
    return stale;
  }
}
