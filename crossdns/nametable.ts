import { hashName } from './name.ts';

const emptySlot = -1;

/**
 * Values by wire name, looked up by a range of octets in a buffer, which allocates nothing.
 *
 * Open addressing with linear probing; a removal closes its gap, so that no tombstones gather.
 */
export class NameTable<V> {
  /** Index into the entries, or {@link emptySlot}. */
  #slots = new Int32Array(8).fill(emptySlot);
  #hashes: number[] = [];
  #names: Uint8Array[] = [];
  #values: V[] = [];

  get size(): number {
    return this.#names.length;
  }

  get(bytes: Uint8Array, start: number, end: number): V | undefined {
    const hash = hashName(bytes, start, end);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number;
      if (entry === emptySlot) return undefined;
      if (this.#hashes[entry] === hash && sameOctets(this.#names[entry] as Uint8Array, bytes, start, end)) {
        return this.#values[entry];
      }
    }
  }

  find(name: Uint8Array): V | undefined {
    return this.get(name, 0, name.length);
  }

  /** Sets the value of a name, which must be in lower case and is kept, not copied. */
  set(name: Uint8Array, value: V): void {
    const hash = hashName(name, 0, name.length);
    const slot = this.#slotOf(name, hash);
    const entry = this.#slots[slot] as number;
    if (entry !== emptySlot) {
      this.#values[entry] = value;
      return;
    }
    this.#slots[slot] = this.#names.length;
    this.#hashes.push(hash);
    this.#names.push(name);
    this.#values.push(value);
    if (this.#names.length * 2 > this.#slots.length) this.#grow();
  }

  delete(name: Uint8Array): boolean {
    const slot = this.#slotOf(name, hashName(name, 0, name.length));
    const entry = this.#slots[slot] as number;
    if (entry === emptySlot) return false;
    this.#closeGap(slot);
    this.#fillEntry(entry);
    return true;
  }

  values(): readonly V[] {
    return this.#values;
  }

  names(): readonly Uint8Array[] {
    return this.#names;
  }

  #slotOf(name: Uint8Array, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number;
      if (entry === emptySlot) return slot;
      if (
        this.#hashes[entry] === hash &&
        sameOctets(this.#names[entry] as Uint8Array, name, 0, name.length)
      ) {
        return slot;
      }
    }
  }

  /** Moves later members of the probe chain back, so that no lookup stops at the freed slot. */
  #closeGap(freed: number): void {
    const mask = this.#slots.length - 1;
    let gap = freed;
    for (let slot = (gap + 1) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number;
      if (entry === emptySlot) break;
      const home = (this.#hashes[entry] as number) & mask;
      if (((slot - home) & mask) >= ((slot - gap) & mask)) {
        this.#slots[gap] = entry;
        gap = slot;
      }
    }
    this.#slots[gap] = emptySlot;
  }

  /** Moves the last entry into the place of a removed one. */
  #fillEntry(entry: number): void {
    const last = this.#names.length - 1;
    const hash = this.#hashes.pop() as number;
    const name = this.#names.pop() as Uint8Array;
    const value = this.#values.pop() as V;
    if (entry === last) return;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== last) slot = (slot + 1) & mask;
    this.#slots[slot] = entry;
    this.#hashes[entry] = hash;
    this.#names[entry] = name;
    this.#values[entry] = value;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(emptySlot);
    const mask = this.#slots.length - 1;
    for (let entry = 0; entry < this.#hashes.length; entry++) {
      let slot = (this.#hashes[entry] as number) & mask;
      while (this.#slots[slot] !== emptySlot) slot = (slot + 1) & mask;
      this.#slots[slot] = entry;
    }
  }
}

function sameOctets(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}
