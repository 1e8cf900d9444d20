/** Ports that nobody has a service on (RFC 6335, section 6). */
const dynamic = { first: 49_152, count: 16_384 } as const;
const firstPauseMs = 10_000;
const longestPauseMs = 600_000;

export interface PortInputs {
  /** What is listened on where others dial. */
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
 * The port that WireGuard listens on: where nobody dials, one of our own choice for each time that this gateway becomes the
 * active one, and another one where we are not heard. On the way, on the node of the other end or in a NAT, may stand an
 * entry of connection tracking that leads to a gateway which is gone, and that our own packets keep alive for ever. Packets
 * from another port are a new connection. Pauses grow, as mostly the other end is just away.
 */
export class ListenPort {
  #port: number | undefined;
  #nextAt = Number.NEGATIVE_INFINITY;
  #pauseMs = firstPauseMs;

  /** This gateway becomes the active one: entries that another one of its cluster left lead nowhere. */
  renew(): void {
    this.#port = undefined;
  }

  choose({ usual, isFree, isCutOff, now, random }: PortInputs): number {
    if (!isFree) {
      this.#port = undefined;
      return usual;
    }
    const isDue = isCutOff && now >= this.#nextAt;
    if (isDue) {
      this.#nextAt = now + this.#pauseMs;
      this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2);
    }
    if (!isCutOff) this.#pauseMs = firstPauseMs;
    if (this.#port === undefined || isDue) this.#port = dynamic.first + Math.floor(random * dynamic.count);
    return this.#port;
  }
}
