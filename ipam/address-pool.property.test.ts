import { type Address, formatAddress } from './address.ts';
import { AddressPool, type Allocation } from './address-pool.ts';
import { addressAt, type Cidr, cidrHas, cidrSize, parseCidr } from './cidr.ts';
import { parsePoolSnapshot } from './pool-snapshot.ts';

/**
 * Random operations against a model that is slow and obviously right: never two owners, never outside, never lost.
 * NAUTI_PROPERTY_OPERATIONS raises the number of operations a pool; a failure prints the seed that repeats it.
 */
const operations = Number(process.env.NAUTI_PROPERTY_OPERATIONS ?? 300_000);

const shapes: readonly {
  cidr: string;
  reserved: readonly bigint[];
  remembered: number;
  quarantineMs: number;
}[] = [
  { cidr: '10.113.0.0/32', reserved: [], remembered: 10, quarantineMs: 5 },
  { cidr: '10.113.0.0/29', reserved: [0n, 1n, 2n, -1n], remembered: 100, quarantineMs: 3 },
  { cidr: '10.113.0.0/24', reserved: [0n, 1n, 2n, -1n], remembered: 1_000, quarantineMs: 40 },
  { cidr: '10.113.0.0/24', reserved: [7n, 100n, 101n], remembered: 5, quarantineMs: 0 },
  { cidr: '10.112.0.0/15', reserved: [0n, 65_535n, 65_536n, -1n], remembered: 100, quarantineMs: 1_000 },
  { cidr: 'fd00:10:113::/120', reserved: [0n, 1n, 2n], remembered: 1_000, quarantineMs: 100 },
  { cidr: 'fd00:10:113::/64', reserved: [0n, 1n, 2n, -1n], remembered: 50, quarantineMs: 10 },
];

interface Released {
  readonly owner: string;
  readonly at: number;
}

/** xorshift32; the same seed gives the same run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

class Model {
  readonly cidr: Cidr;
  readonly #quarantineMs: number;
  readonly #reserved: ReadonlySet<bigint>;
  readonly used = new Map<bigint, string>();
  /** The last release of each address that was released and not given since. */
  readonly released = new Map<bigint, Released>();

  constructor(cidr: Cidr, reserved: readonly bigint[], quarantineMs: number) {
    this.cidr = cidr;
    this.#reserved = new Set(reserved.map(distance => addressAt(cidr, distance).value));
    this.#quarantineMs = quarantineMs;
  }

  give(owner: string, address: Address, now: number): void {
    const { value } = address;
    const name = formatAddress(address);
    if (!cidrHas(this.cidr, address)) throw new Error(`${name} is outside`);
    if (this.#reserved.has(value)) throw new Error(`${name} is reserved`);
    if (this.used.has(value)) throw new Error(`${name} has two owners: ${this.used.get(value)} and ${owner}`);
    const before = this.released.get(value);
    if (before !== undefined && before.owner !== owner && now < before.at + this.#quarantineMs) {
      throw new Error(`${name} left its quarantine ${before.at + this.#quarantineMs - now} ms early`);
    }
    this.released.delete(value);
    this.used.set(value, owner);
  }

  release(value: bigint, at: number): string {
    const owner = this.used.get(value);
    if (owner === undefined) throw new Error('the test released what nobody has');
    this.used.delete(value);
    this.released.set(value, { owner, at });
    return owner;
  }

  get capacity(): bigint {
    return cidrSize(this.cidr) - BigInt(this.#reserved.size);
  }

  /** Whether an address could be given to a stranger. */
  hasFree(now: number): boolean {
    if (BigInt(this.used.size + this.released.size) < this.capacity) return true;
    for (const { at } of this.released.values()) if (at + this.#quarantineMs <= now) return true;
    return false;
  }
}

describe('address pool, properties', function () {
  this.timeout(60_000);
  for (const shape of shapes) {
    const { cidr: text, remembered, quarantineMs } = shape;
    it(`${operations} operations on ${text}, quarantine ${quarantineMs} ms, ${remembered} remembered`, () => {
      const seed = Number(process.env.NAUTI_PROPERTY_SEED ?? (Math.random() * 2 ** 31) | 0);
      try {
        run(shape, seed);
      } catch (error) {
        throw new Error(`NAUTI_PROPERTY_SEED=${seed}`, { cause: error });
      }
    });
  }
});

function run(shape: (typeof shapes)[number], seed: number): void {
  const random = randomNumbers(seed);
  const cidr = parseCidr(shape.cidr);
  if (cidr === undefined) throw new Error('not a CIDR');
  const options = {
    cidr,
    reserved: shape.reserved.map(distance => addressAt(cidr, distance)),
    quarantineMs: shape.quarantineMs,
    remembered: shape.remembered,
  };
  let pool = new AddressPool(options);
  const model = new Model(cidr, shape.reserved, shape.quarantineMs);
  const given: bigint[] = [];
  const owners = 400;
  let now = 0;
  const take = (owner: string, result: Allocation, mayRefuse: boolean) => {
    if ('address' in result) {
      model.give(owner, result.address, now);
      given.push(result.address.value);
    } else if (!mayRefuse) {
      throw new Error(`${owner} was refused (${result.refused}) while an address was free`);
    }
  };
  for (let step = 0; step < operations; step++) {
    now += random(3);
    const owner = `pod-${random(owners)}`;
    const dice = random(100);
    if (dice < 45) {
      const mayRefuse = !model.hasFree(now);
      take(owner, pool.allocate(now, owner), mayRefuse);
    } else if (dice < 55) {
      const near = BigInt(random(300) - 20);
      const address = { family: cidr.family, value: cidr.base + near };
      take(owner, pool.claim(address, now, owner), true);
    } else if (given.length > 0) {
      const index = random(given.length);
      const value = given[index] ?? 0n;
      given[index] = given.at(-1) ?? 0n;
      given.pop();
      const was = model.release(value, now);
      if (!pool.release({ family: cidr.family, value }, now, was)) throw new Error('a used address was lost');
    }
    if (step % 50_000 === 49_999) {
      const snapshot = parsePoolSnapshot(JSON.parse(JSON.stringify(pool.snapshot(now))));
      pool = AddressPool.restore(options, snapshot, now);
    }
    if (step % 1_000 === 0) checkCounts(pool, model);
  }
  checkCounts(pool, model);
  for (const value of model.used.keys()) {
    if (!pool.isUsed({ family: cidr.family, value })) throw new Error('a used address was lost');
  }
}

function checkCounts(pool: AddressPool, model: Model): void {
  const { size, reserved, used, resting, free } = pool.counts();
  if (used !== model.used.size) throw new Error(`counts ${used} used, ${model.used.size} are`);
  if (size - reserved !== model.capacity) throw new Error('counts the wrong size');
  if (free + BigInt(used + resting) !== model.capacity) throw new Error('the counts do not add up');
}
