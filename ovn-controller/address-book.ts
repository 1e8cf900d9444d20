import { type Address, formatAddress } from '../ipam/address.ts';
import { AddressPool, type Refusal as PoolRefusal } from '../ipam/address-pool.ts';
import { cidrHas, formatCidr } from '../ipam/cidr.ts';
import type { Wish } from './annotations.ts';
import type { Assignment } from './assignment.ts';
import type { Claimant, GatewayRole } from './claimant.ts';
import { hasOwnMac, isDerivedMac, macOf } from './mac.ts';
import { type FamilyNetwork, type Network, reservedIn } from './network.ts';
import type { Refusal } from './refusal.ts';

export interface FamilyCounts {
  readonly network: FamilyNetwork;
  readonly used: number;
  readonly resting: number;
  /** Addresses that pods can have, those in use included. */
  readonly capacity: bigint;
}

/**
 * Who has which addresses: the only place where that is decided. Pure; times are milliseconds of a clock that does not
 * go backwards.
 */
export class AddressBook {
  readonly network: Network;
  readonly #pools: readonly AddressPool[];
  readonly #assignments = new Map<string, Assignment>();
  /** Which port that is not ours has addresses of our blocks. */
  readonly #foreign = new Map<string, readonly Address[]>();
  readonly #macs = new Set<string>();
  #gateway: string | undefined;

  constructor(network: Network, quarantineMs: number) {
    this.network = network;
    this.#pools = network.map(
      part => new AddressPool({ cidr: part.cidr, reserved: reservedIn(part), quarantineMs }),
    );
  }

  get(key: string): Assignment | undefined {
    return this.#assignments.get(key);
  }

  get size(): number {
    return this.#assignments.size;
  }

  /** The pod that has the gateway's addresses. */
  get gateway(): string | undefined {
    return this.#gateway;
  }

  /** What the claimant has, or now gets. A refusal changes nothing. */
  assign(claimant: Claimant, now: number): Assignment | Refusal {
    const had = this.#assignments.get(claimant.key);
    if (had !== undefined) return had;
    return claimant.role === 'gateway'
      ? this.#assignGateway(claimant.key)
      : this.#assignOrdinary(claimant, now);
  }

  /**
   * Takes note of what a port shows: addresses that are its pod's already. Where it lacks one of a family that the
   * network has by now, it gets one.
   *
   * @returns undefined where an address is not of this network, or is another's; nothing is noted then.
   */
  adopt(
    key: string,
    port: { readonly mac: string; readonly addresses: readonly Address[] },
    role: GatewayRole = 'none',
  ): Assignment | undefined {
    if (this.#assignments.has(key)) return undefined;
    if (this.#isGatewayPort(port.addresses)) {
      // Assigned before it was a candidate, it would keep the elected one from having them.
      if (role === 'candidate') return undefined;
      if (this.#gateway !== undefined) return undefined;
      this.#gateway = key;
      const gateway = this.#gatewayAddresses();
      return this.#note(key, { addresses: gateway, mac: this.#adoptedMac(port.mac, gateway), gateway: true });
    }
    if (new Set(port.addresses.map(address => address.family)).size < port.addresses.length) return undefined;
    const taken: Address[] = [];
    for (const address of port.addresses) {
      if (this.#poolOf(address)?.adopt(address) === 'adopted') taken.push(address);
    }
    const complete = taken.length === port.addresses.length && this.#complete(taken, 0, key);
    if (complete === false || 'reason' in complete) {
      for (const address of taken) this.#poolOf(address)?.forget(address);
      return undefined;
    }
    const mac = this.#adoptedMac(port.mac, complete);
    return this.#note(key, { addresses: complete, mac, gateway: role === 'candidate' });
  }

  /** The pod is gone, and its port: its addresses rest, and it gets them first should it come again. */
  release(key: string, now: number): void {
    const assignment = this.#assignments.get(key);
    if (assignment === undefined) return;
    this.#assignments.delete(key);
    this.#macs.delete(assignment.mac);
    if (key === this.#gateway) this.#gateway = undefined;
    else for (const address of assignment.addresses) this.#poolOf(address)?.release(address, now, key);
  }

  /** What a pod had that is gone: it gets it first, as long as nobody else does. */
  remember(key: string, addresses: readonly Address[], now: number): void {
    if (this.#assignments.has(key)) return;
    for (const address of addresses) {
      const pool = this.#poolOf(address);
      if (pool?.adopt(address) === 'adopted') pool.release(address, now, key);
    }
  }

  /** A port that is not ours has these addresses, or none any more: nobody else gets them. */
  setForeign(port: string, addresses: readonly Address[], now: number): void {
    for (const address of this.#foreign.get(port) ?? []) this.#poolOf(address)?.release(address, now);
    this.#foreign.delete(port);
    const held = addresses.filter(address => this.#poolOf(address)?.adopt(address) === 'adopted');
    if (held.length > 0) this.#foreign.set(port, held);
  }

  counts(): readonly FamilyCounts[] {
    return this.network.map((network, index) => {
      const counts = this.#pools[index]?.counts();
      if (counts === undefined) throw new RangeError('no pool');
      return { network, used: counts.used, resting: counts.resting, capacity: counts.size - counts.reserved };
    });
  }

  #assignGateway(key: string): Assignment | Refusal {
    if (this.#gateway !== undefined) {
      return {
        reason: 'GatewayTaken',
        note: `${this.#gateway} has the gateway's address; it is given on when that pod is gone`,
      };
    }
    const addresses = this.#gatewayAddresses();
    this.#gateway = key;
    return this.#note(key, { addresses, mac: macOf(addresses), gateway: true });
  }

  #assignOrdinary({ key, wish, role }: Claimant, now: number): Assignment | Refusal {
    const isCandidate = role === 'candidate';
    // Of the time when it was the only gateway.
    const isStale = isCandidate && wish.kind === 'addresses' && this.#isGatewayPort(wish.addresses);
    const wished = this.#claimWish(key, isStale ? { kind: 'none' } : wish, now);
    if ('reason' in wished) return wished;
    const addresses = this.#complete(wished, now, key);
    if ('reason' in addresses) {
      for (const address of wished) this.#poolOf(address)?.forget(address);
      return addresses;
    }
    return this.#note(key, { addresses, mac: macOf(addresses), gateway: isCandidate });
  }

  /** The addresses that were asked for, all or none. */
  #claimWish(key: string, wish: Wish, now: number): readonly Address[] | Refusal {
    if (wish.kind === 'none') return [];
    if (wish.kind === 'nonsense') {
      return {
        reason: 'InvalidAddressRequest',
        note: `Cannot give the address asked for as it must be an address, or one of each family separated by a comma: current value is ${JSON.stringify(wish.text.slice(0, 120))}`,
      };
    }
    const taken: Address[] = [];
    for (const address of wish.addresses) {
      const refusal = this.#claim(address, key, now);
      if (refusal === undefined) {
        taken.push(address);
        continue;
      }
      for (const other of taken) this.#poolOf(other)?.forget(other);
      // What says that it was allocated, and is not ours to keep, is as good as nothing.
      return wish.isAllocated ? [] : refusal;
    }
    return taken;
  }

  #claim(address: Address, key: string, now: number): Refusal | undefined {
    const text = formatAddress(address);
    const pool = this.#poolOf(address);
    const distance = pool === undefined ? 0n : address.value - pool.cidr.base;
    if (pool === undefined || (this.network.length === 1 && address.family === 6 && !hasOwnMac(distance))) {
      const blocks = this.network.map(({ cidr }) => formatCidr(cidr)).join(' or ');
      return {
        reason: 'InvalidAddressRequest',
        note: `Cannot give the address asked for as it must be in ${blocks}: current value is ${text}`,
      };
    }
    const result = pool.claim(address, now, key);
    return 'address' in result ? undefined : explain(text, pool, result);
  }

  /** Adds an address of each family that is missing. */
  #complete(given: readonly Address[], now: number, key: string): readonly Address[] | Refusal {
    const added: Address[] = [];
    const all: Address[] = [];
    for (const pool of this.#pools) {
      const present = given.find(address => address.family === pool.cidr.family);
      const result = present === undefined ? pool.allocate(now, key) : { address: present };
      if ('refused' in result) {
        for (const address of added) this.#poolOf(address)?.forget(address);
        return explain('', pool, result);
      }
      if (present === undefined) added.push(result.address);
      all.push(result.address);
    }
    return all;
  }

  /** A port keeps its MAC, unless it is another's, or could become one that is derived. */
  #adoptedMac(mac: string, addresses: readonly Address[]): string {
    return isDerivedMac(mac) || this.#macs.has(mac) ? macOf(addresses) : mac;
  }

  #note(key: string, assignment: Assignment): Assignment {
    this.#assignments.set(key, assignment);
    this.#macs.add(assignment.mac);
    return assignment;
  }

  #gatewayAddresses(): readonly Address[] {
    return this.network.map(({ gateway }) => gateway);
  }

  #isGatewayPort(addresses: readonly Address[]): boolean {
    return addresses.some(address =>
      this.network.some(
        ({ gateway }) => gateway.family === address.family && gateway.value === address.value,
      ),
    );
  }

  #poolOf(address: Address): AddressPool | undefined {
    return this.#pools.find(pool => cidrHas(pool.cidr, address));
  }
}

function explain(text: string, pool: AddressPool, refusal: PoolRefusal): Refusal {
  const block = formatCidr(pool.cidr);
  switch (refusal.refused) {
    case 'exhausted':
      return {
        reason: 'AddressesExhausted',
        note: `Cannot give an address as ${block} has none left`,
        ...(refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs }),
      };
    case 'quarantined':
      return {
        reason: 'AddressTaken',
        note: `Cannot give the address asked for as it must be free: ${text} was another pod's a moment ago`,
        retryAfterMs: refusal.retryAfterMs,
      };
    case 'taken':
      return {
        reason: 'AddressTaken',
        note: `Cannot give the address asked for as it must be free: ${text} is used`,
      };
    case 'reserved':
      return {
        reason: 'InvalidAddressRequest',
        note: `Cannot give the address asked for as it must not be reserved: ${text} is`,
      };
    case 'outside':
      return {
        reason: 'InvalidAddressRequest',
        note: `Cannot give the address asked for as it must be in ${block}: current value is ${text}`,
      };
  }
}
