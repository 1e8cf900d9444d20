/**
 * Which keys have which value of an index. A value that only one key has, the common case, costs no set of its own.
 */
export class KeyIndex {
  readonly #keys = new Map<string, string | Set<string>>();

  add(value: string, key: string): void {
    const present = this.#keys.get(value);
    if (present === undefined) this.#keys.set(value, key);
    else if (typeof present !== 'string') present.add(key);
    else if (present !== key) this.#keys.set(value, new Set([present, key]));
  }

  remove(value: string, key: string): void {
    const present = this.#keys.get(value);
    if (present === undefined) return;
    if (typeof present === 'string') {
      if (present === key) this.#keys.delete(value);
      return;
    }
    present.delete(key);
    if (present.size === 0) this.#keys.delete(value);
  }

  get(value: string): Iterable<string> {
    const present = this.#keys.get(value);
    if (present === undefined) return [];
    return typeof present === 'string' ? [present] : present;
  }

  get size(): number {
    return this.#keys.size;
  }
}
