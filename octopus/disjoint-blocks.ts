import { type Cidr, cidrSize, cidrsOverlap } from '../ipam/cidr.ts';

/** Blocks of which no two overlap, and who has which; looked up in logarithmic time. */
export class DisjointBlocks {
  readonly #sorted: Readonly<Record<4 | 6, { readonly cidr: Cidr; readonly holder: string }[]>> = {
    4: [],
    6: [],
  };

  /** Who has a block that overlaps this one. */
  holderOf(cidr: Cidr): string | undefined {
    const list = this.#sorted[cidr.family];
    const at = this.#firstFrom(cidr);
    for (const entry of [list[at - 1], list[at]]) {
      if (entry !== undefined && cidrsOverlap(entry.cidr, cidr)) return entry.holder;
    }
    return undefined;
  }

  /** The block must overlap none that is there. */
  add(cidr: Cidr, holder: string): void {
    this.#sorted[cidr.family].splice(this.#firstFrom(cidr), 0, { cidr, holder });
  }

  /** Index of the first block that does not end before this one begins. */
  #firstFrom(cidr: Cidr): number {
    const list = this.#sorted[cidr.family];
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = list[middle]?.cidr;
      if (entry !== undefined && entry.base + cidrSize(entry) <= cidr.base) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
