import { type Cidr, cidrSize } from '../ipam/cidr.ts';
import type { ClientAddress } from './client.ts';

export interface RateLimits {
  /** Answers a second to one network of clients (IPv4 /24, IPv6 /56); as many may come at once. 0 is no limit. */
  readonly perSecond: number;
  /** Networks without a limit. */
  readonly exempt: readonly Cidr[];
}

/** Networks that are remembered, in sets of {@link ways}: memory stays the same whatever addresses are forged. */
const [sets, ways] = [4_096, 4];

/**
 * How many answers a network of clients has had of late: one account each, that fills up with time. What goes over is
 * not answered in full, so that nobody can aim answers at an address that did not ask.
 */
export class RateLimiter {
  #limits: RateLimits;
  #exempt4: Uint32Array;
  #exempt6: Uint32Array;
  readonly #seed = (Math.random() * 0x1_0000_0000) | 0;
  /** High and low half of the network of each account. */
  readonly #networks = new Uint32Array(sets * ways * 2);
  /** What is left, and when that was so, in milliseconds of performance.now(). A free account is the fullest. */
  readonly #left = new Float64Array(sets * ways).fill(Number.POSITIVE_INFINITY);
  readonly #since = new Float64Array(sets * ways);

  constructor(limits: RateLimits) {
    this.#limits = limits;
    [this.#exempt4, this.#exempt6] = compileNetworks(limits.exempt);
  }

  /** Takes effect with the next question. */
  change(limits: RateLimits): void {
    this.#limits = limits;
    [this.#exempt4, this.#exempt6] = compileNetworks(limits.exempt);
  }

  /**
   * Counts one answer.
   *
   * @param now milliseconds of performance.now().
   * @returns whether it may be given.
   */
  take(client: ClientAddress, now: number): boolean {
    const { perSecond } = this.#limits;
    if (perSecond === 0 || this.#isExempt(client)) return true;
    const account = this.#account(client, now);
    const filled =
      (this.#left[account] as number) + ((now - (this.#since[account] as number)) * perSecond) / 1000;
    const left = Math.min(filled, perSecond);
    this.#since[account] = now;
    this.#left[account] = left >= 1 ? left - 1 : left;
    return left >= 1;
  }

  #isExempt(client: ClientAddress): boolean {
    const { words } = client;
    const networks = client.family === 4 ? this.#exempt4 : this.#exempt6;
    const size = client.family === 4 ? 1 : 4;
    for (let at = 0; at < networks.length; at += 2 * size) {
      let i = 0;
      while (
        i < size &&
        ((words[i] as number) & (networks[at + size + i] as number)) >>> 0 === networks[at + i]
      )
        i++;
      if (i === size) return true;
    }
    return false;
  }

  /** The client's account; a new one takes the place of the fullest in its set, whose network asked least. */
  #account(client: ClientAddress, now: number): number {
    const { perSecond } = this.#limits;
    const [first, second] = [client.words[0] as number, client.words[1] as number];
    // The low bit tells the families apart.
    const high = client.family === 4 ? 0 : first;
    const low = client.family === 4 ? ((first & 0xffff_ff00) | 1) >>> 0 : (second & 0xffff_ff00) >>> 0;
    const hash = Math.imul(Math.imul(high ^ this.#seed, 0x9e3779b1) ^ low, 0x85ebca6b);
    const start = ((hash ^ (hash >>> 15)) & (sets - 1)) * ways;
    let fullest = start;
    let most = -1;
    for (let i = start; i < start + ways; i++) {
      if (this.#networks[2 * i] === high && this.#networks[2 * i + 1] === low) return i;
      const left = (this.#left[i] as number) + ((now - (this.#since[i] as number)) * perSecond) / 1000;
      if (left > most) [fullest, most] = [i, left];
    }
    this.#networks[2 * fullest] = high;
    this.#networks[2 * fullest + 1] = low;
    this.#left[fullest] = perSecond;
    this.#since[fullest] = now;
    return fullest;
  }
}

/** Base and mask of each network, by family, in words of 32 bits. */
function compileNetworks(networks: readonly Cidr[]): [Uint32Array, Uint32Array] {
  const wordsOf = (family: 4 | 6) =>
    Uint32Array.from(
      networks
        .filter(network => network.family === family)
        .flatMap(network => {
          const bits = family === 4 ? 32 : 128;
          const mask = (1n << BigInt(bits)) - cidrSize(network);
          return [...split(network.base, bits), ...split(mask, bits)];
        }),
    );
  return [wordsOf(4), wordsOf(6)];
}

function split(value: bigint, bits: number): number[] {
  const words: number[] = [];
  for (let shift = bits - 32; shift >= 0; shift -= 32)
    words.push(Number((value >> BigInt(shift)) & 0xffff_ffffn));
  return words;
}
