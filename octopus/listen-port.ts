/** Ports that nobody has a service on (RFC 6335, section 6). */
const dynamic = { first: 49_152, count: 16_384 } as const;
const firstPauseMs = 10_000;
const longestPauseMs = 600_000;

export interface PortInputs {
  /** What is listened on while all is well. */
  readonly usual: number;
  /** Nobody dials this gateway: only then may the port be any. */
  readonly isFree: boolean;
  /** Whether a link that this gateway dials is down. */
  readonly isCutOff: boolean;
  /** Milliseconds of a clock that does not go backwards. */
  readonly now: number;
  /** From 0 to 1, 1 excluded. */
  readonly random: number;
}

/**
 * The port that WireGuard listens on. Who dials and is not heard changes it: on the way, on the node of the other end or
 * in a NAT, may stand an entry of connection tracking that leads to a gateway which is gone, and that our own packets keep
 * alive for ever. Packets from another port are a new connection. Pauses grow, as mostly the other end is just away.
 */
export class ListenPort {
  #port: number | undefined;
  #nextAt = Number.NEGATIVE_INFINITY;
  #pauseMs = firstPauseMs;

  choose({ usual, isFree, isCutOff, now, random }: PortInputs): number {
    if (!isFree) this.#port = undefined;
    else if (!isCutOff) this.#pauseMs = firstPauseMs;
    else if (now >= this.#nextAt) {
      this.#port = dynamic.first + Math.floor(random * dynamic.count);
      this.#nextAt = now + this.#pauseMs;
      this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2);
    }
    return this.#port ?? usual;
  }
}
