import type { Address } from './address.ts';
import { type Cidr, cidrHas, cidrSize, formatCidr } from './cidr.ts';
import type { PoolSnapshot } from './pool-snapshot.ts';
import { ReservedRanges } from './reserved-ranges.ts';
import { SparseBitmap } from './sparse-bitmap.ts';

export interface PoolOptions {
  readonly cidr: Cidr;
  /** Addresses that nobody is given; those outside of the CIDR are ignored. */
  readonly reserved?: readonly (Address | Cidr)[];
  /** For so long a released address goes to nobody but its last owner, in milliseconds. */
  readonly quarantineMs: number;
  /**
   * How many released addresses are remembered with their owner and order. The oldest beyond that whose quarantine is
   * over become ordinary free addresses: this bounds the memory of a pool whose pods come and go. Default 65,536.
   */
  readonly remembered?: number;
}

/** 8 MB of bitmap; no run in a snapshot of a real pool is longer. */
const largestRun = 1n << 26n;

/** Why an address was not given. */
export type Refusal =
  | { readonly refused: 'exhausted'; readonly retryAfterMs?: number }
  | { readonly refused: 'quarantined'; readonly retryAfterMs: number }
  | { readonly refused: 'taken' | 'reserved' | 'outside' };

export type Allocation = { readonly address: Address } | Refusal;

/** `size` = `reserved` + `used` + `resting` + `free`. */
export interface PoolCounts {
  readonly size: bigint;
  readonly reserved: bigint;
  readonly used: number;
  /** Released and still remembered, in quarantine or behind it. */
  readonly resting: number;
  readonly free: bigint;
}

interface Resting {
  readonly owner: string | undefined;
  /** When its quarantine is over. */
  readonly until: number;
}

/**
 * Gives out the addresses of one CIDR: each to at most one owner at a time, and every one of them before it refuses.
 *
 * Order: what the owner had before; then addresses that were never given, upwards; then released ones, the longest
 * released first. Times are milliseconds of any clock that does not go backwards; the pool itself reads none.
 */
export class AddressPool {
  readonly cidr: Cidr;
  readonly #quarantineMs: number;
  readonly #remembered: number;
  readonly #reserved: ReservedRanges;
  /** Used and resting addresses, as distances from the first of the CIDR. */
  readonly #unavailable: SparseBitmap;
  /** In the order of their release. */
  readonly #resting = new Map<bigint, Resting>();
  readonly #restingOf = new Map<string, bigint>();
  #used = 0;

  constructor(options: PoolOptions) {
    this.cidr = options.cidr;
    this.#quarantineMs = options.quarantineMs;
    this.#remembered = options.remembered ?? 65_536;
    this.#unavailable = new SparseBitmap(cidrSize(options.cidr));
    this.#reserved = new ReservedRanges((options.reserved ?? []).flatMap(part => this.#rangeOf(part)));
  }

  /** Gives an address: the one that `owner` released last where nobody took it since, else the next. */
  allocate(now: number, owner?: string): Allocation {
    const before = owner === undefined ? undefined : this.#restingOf.get(owner);
    if (before !== undefined) return this.#wake(before);
    const fresh = this.#takeFree();
    if (fresh !== undefined) {
      this.#used++;
      return this.#given(fresh);
    }
    for (const [offset, resting] of this.#resting) {
      if (resting.until <= now) return this.#wake(offset);
      return { refused: 'exhausted', retryAfterMs: resting.until - now };
    }
    return { refused: 'exhausted' };
  }

  /** Gives the address that was asked for, where it is inside, not reserved and free (to this owner). */
  claim(address: Address, now: number, owner?: string): Allocation {
    if (!cidrHas(this.cidr, address)) return { refused: 'outside' };
    const offset = address.value - this.cidr.base;
    if (this.#reserved.endAround(offset) !== undefined) return { refused: 'reserved' };
    const resting = this.#resting.get(offset);
    if (resting !== undefined) {
      const own = owner !== undefined && resting.owner === owner;
      if (!own && resting.until > now) return { refused: 'quarantined', retryAfterMs: resting.until - now };
      return this.#wake(offset);
    }
    if (!this.#unavailable.add(offset)) return { refused: 'taken' };
    this.#used++;
    return this.#given(offset);
  }

  /**
   * Takes note of an address that somebody uses already; quarantine does not hold it back. Later allocations go on
   * behind the highest one adopted, so that addresses released before a restart, of which the pool knows nothing, rest.
   *
   * @returns whether it was free; `reserved` and `outside` addresses are not the pool's to give or to mark.
   */
  adopt(address: Address): 'adopted' | 'taken' | 'reserved' | 'outside' {
    const result = this.claim(address, Number.POSITIVE_INFINITY);
    if ('refused' in result) return result.refused as 'taken' | 'reserved' | 'outside';
    const behind = address.value - this.cidr.base + 1n;
    if (behind > this.#unavailable.hand) this.#unavailable.hand = behind;
    return 'adopted';
  }

  /**
   * Takes an address back.
   *
   * @param owner gets it again when asking while nobody else has got it.
   * @returns false when nobody used it.
   */
  release(address: Address, now: number, owner?: string): boolean {
    if (!this.isUsed(address)) return false;
    this.#rest(address.value - this.cidr.base, { owner, until: now + this.#quarantineMs });
    this.#used--;
    this.#forget(now);
    return true;
  }

  /** Takes back an address that nobody came to use: it is free at once. @returns false when nobody had it. */
  forget(address: Address): boolean {
    if (!this.isUsed(address)) return false;
    this.#unavailable.delete(address.value - this.cidr.base);
    this.#used--;
    return true;
  }

  isUsed(address: Address): boolean {
    const offset = address.value - this.cidr.base;
    return cidrHas(this.cidr, address) && this.#unavailable.has(offset) && !this.#resting.has(offset);
  }

  counts(): PoolCounts {
    const { size } = this.#unavailable;
    const reserved = this.#reserved.count;
    const resting = this.#resting.size;
    return {
      size,
      reserved,
      used: this.#used,
      resting,
      free: size - reserved - BigInt(this.#used + resting),
    };
  }

  /** Everything but the options, as a value that JSON keeps. Remaining quarantines count from `now`. */
  snapshot(now: number): PoolSnapshot {
    const used = new SparseBitmap(this.#unavailable.size);
    for (const [first, length] of this.#unavailable.runs()) {
      for (let offset = first; offset < first + length; offset++)
        if (!this.#resting.has(offset)) used.add(offset);
    }
    return {
      cidr: formatCidr(this.cidr),
      cursor: String(this.#unavailable.hand),
      used: [...used.runs()].map(([first, length]) => [String(first), String(length)] as const),
      resting: [...this.#resting].map(([offset, { owner, until }]) => ({
        offset: String(offset),
        remainingMs: Math.max(0, until - now),
        ...(owner === undefined ? {} : { owner }),
      })),
    };
  }

  /**
   * A pool as it was at its snapshot, quarantines shortened by nothing: the time in between is not known.
   *
   * @throws RangeError where the snapshot is of another CIDR, or contradicts itself or the options.
   */
  static restore(options: PoolOptions, snapshot: PoolSnapshot, now: number): AddressPool {
    const pool = new AddressPool(options);
    const wanted = formatCidr(options.cidr);
    if (snapshot.cidr !== wanted) throw unusable('its CIDR', wanted, snapshot.cidr);
    for (const [first, length] of snapshot.used) {
      // Before the loop, which a length of 10³⁸ would never leave.
      if (BigInt(length) > largestRun)
        throw unusable('a run', `at most ${largestRun} addresses long`, length);
      const end = BigInt(first) + BigInt(length);
      for (let offset = BigInt(first); offset < end; offset++) pool.#restore(offset);
    }
    for (const { offset, owner, remainingMs } of snapshot.resting) {
      pool.#restore(BigInt(offset));
      pool.#used--;
      pool.#rest(BigInt(offset), { owner, until: now + remainingMs });
    }
    pool.#unavailable.hand = BigInt(snapshot.cursor);
    return pool;
  }

  #restore(offset: bigint): void {
    const result = this.claim({ family: this.cidr.family, value: this.cidr.base + offset }, 0);
    if ('refused' in result)
      throw unusable('each address in it', 'inside, not reserved, named once', `${offset}`);
  }

  #takeFree(): bigint | undefined {
    const found = this.#takeFreeFromHand();
    if (found !== undefined) return found;
    this.#unavailable.hand = 0n;
    return this.#takeFreeFromHand();
  }

  #takeFreeFromHand(): bigint | undefined {
    let offset = this.#unavailable.addNextClear();
    while (offset !== undefined) {
      const end = this.#reserved.endAround(offset);
      if (end === undefined) return offset;
      this.#unavailable.delete(offset);
      this.#unavailable.hand = end + 1n;
      offset = this.#unavailable.addNextClear();
    }
    return undefined;
  }

  #rest(offset: bigint, resting: Resting): void {
    this.#resting.set(offset, resting);
    if (resting.owner !== undefined) this.#restingOf.set(resting.owner, offset);
  }

  /** A resting address is used again. */
  #wake(offset: bigint): Allocation {
    this.#unrest(offset);
    this.#used++;
    return this.#given(offset);
  }

  #unrest(offset: bigint): void {
    const owner = this.#resting.get(offset)?.owner;
    this.#resting.delete(offset);
    if (owner !== undefined && this.#restingOf.get(owner) === offset) this.#restingOf.delete(owner);
  }

  #forget(now: number): void {
    for (const [offset, resting] of this.#resting) {
      if (this.#resting.size <= this.#remembered || resting.until > now) return;
      this.#unrest(offset);
      this.#unavailable.delete(offset);
    }
  }

  #given(offset: bigint): Allocation {
    return { address: { family: this.cidr.family, value: this.cidr.base + offset } };
  }

  #rangeOf(part: Address | Cidr): (readonly [bigint, bigint])[] {
    if (part.family !== this.cidr.family) return [];
    const [from, to] =
      'prefix' in part ? [part.base, part.base + cidrSize(part) - 1n] : [part.value, part.value];
    const last = cidrSize(this.cidr) - 1n;
    const first = from - this.cidr.base;
    const end = to - this.cidr.base;
    if (end < 0n || first > last) return [];
    return [[first < 0n ? 0n : first, end > last ? last : end]];
  }
}

function unusable(what: string, expected: string, current: string): RangeError {
  return new RangeError(
    `Cannot restore the pool as ${what} must be ${expected}: current value is ${JSON.stringify(current)}`,
  );
}
