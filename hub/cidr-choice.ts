import { addressBits } from '../ipam/address.ts';
import { type Cidr, cidrHasCidr, cidrSize, cidrsOverlap, formatCidr, parseCidr } from '../ipam/cidr.ts';

/** Who has which blocks: canonical texts by cluster id. */
export type Allocations = ReadonlyMap<string, readonly string[]>;

export interface CidrSettings {
  /** The CIDRs of all clusters together, at most one a family. */
  readonly globals: readonly Cidr[];
  /** Length of the prefix of a cluster's block where none was asked for. */
  readonly prefixOf: (global: Cidr) => number;
}

export interface CidrChoice {
  readonly cidrs: readonly string[];
  /** Why what was asked for was not given; a sentence's part after "as". */
  readonly refused?: string;
  /** The global CIDRs that have no free block. */
  readonly exhausted: readonly string[];
}

/**
 * Which blocks a cluster gets: those that it has; else those that it asks for, where they are free and inside; else
 * the lowest free ones, one of each global CIDR.
 *
 * @param requested texts of CIDRs, separated by commas, as a person wrote them.
 */
export function chooseCidrs(
  id: string,
  allocations: Allocations,
  requested: string | undefined,
  settings: CidrSettings,
): CidrChoice {
  const own = allocations.get(id) ?? [];
  const taken = [...allocations]
    .filter(([other]) => other !== id)
    .flatMap(([other, texts]) => blocks(texts).map(cidr => ({ cidr, owner: other })));
  const wishes = readWishes(requested);
  const refused = wishes === undefined ? undefined : refusalOf(wishes, taken, settings);
  if (own.length > 0) {
    const hasThem =
      wishes === undefined ||
      wishes.every(wish => typeof wish !== 'string' && own.includes(formatCidr(wish)));
    return {
      cidrs: own,
      exhausted: [],
      ...(!hasThem && { refused: refused ?? 'a cluster keeps what it has' }),
    };
  }
  const granted = refused === undefined ? (wishes ?? []) : [];
  const chosen = settings.globals.map(
    global =>
      granted.find(wish => typeof wish !== 'string' && wish.family === global.family) ??
      lowestFree(
        global,
        settings.prefixOf(global),
        taken.map(({ cidr }) => cidr),
      ),
  );
  return {
    cidrs: chosen.filter(cidr => cidr !== undefined).map(cidr => formatCidr(cidr as Cidr)),
    ...(refused !== undefined && { refused }),
    exhausted: settings.globals.filter((_, index) => chosen[index] === undefined).map(formatCidr),
  };
}

/** The lowest block of the given prefix length that overlaps no block taken; undefined where there is none. */
export function lowestFree(global: Cidr, prefix: number, taken: readonly Cidr[]): Cidr | undefined {
  const end = global.base + cidrSize(global);
  let candidate: Cidr = { family: global.family, base: global.base, prefix };
  const size = cidrSize(candidate);
  while (candidate.base + size <= end) {
    const obstacle = taken.find(block => cidrsOverlap(block, candidate));
    if (obstacle === undefined) return candidate;
    // Behind the obstacle, at the next multiple of the block's size.
    const behind = obstacle.base + cidrSize(obstacle);
    candidate = { ...candidate, base: ((behind + size - 1n) / size) * size };
  }
  return undefined;
}

/** How much of a global CIDR is given, from 0 to 1. */
export function usedShare(global: Cidr, allocations: Allocations): number {
  let used = 0n;
  for (const texts of allocations.values()) {
    for (const block of blocks(texts)) if (cidrHasCidr(global, block)) used += cidrSize(block);
  }
  return Number((used * 1_000_000n) / cidrSize(global)) / 1_000_000;
}

/** Why a CIDR may not be given, as {@link CidrChoice.refused}; undefined where it may. */
export function whyNot(
  id: string,
  requested: string,
  allocations: Allocations,
  settings: CidrSettings,
): string | undefined {
  const taken = [...allocations]
    .filter(([other]) => other !== id)
    .flatMap(([other, texts]) => blocks(texts).map(cidr => ({ cidr, owner: other })));
  return refusalOf(readWishes(requested) ?? [], taken, settings);
}

function readWishes(requested: string | undefined): readonly (Cidr | string)[] | undefined {
  if (requested === undefined || requested.trim() === '') return undefined;
  return requested.split(',').map(text => parseCidr(text.trim()) ?? text.trim().slice(0, 64));
}

function refusalOf(
  wishes: readonly (Cidr | string)[],
  taken: readonly { readonly cidr: Cidr; readonly owner: string }[],
  { globals }: CidrSettings,
): string | undefined {
  const families = new Set<number>();
  for (const wish of wishes) {
    if (typeof wish === 'string') {
      return `it must be a CIDR whose host bits are zero: current value is ${JSON.stringify(wish)}`;
    }
    const text = formatCidr(wish);
    if (families.has(wish.family))
      return `only one CIDR of a family may be asked for: ${text} is another one`;
    families.add(wish.family);
    if (!globals.some(global => cidrHasCidr(global, wish))) {
      return `${text} must be inside of ${globals.map(formatCidr).join(' or ')}`;
    }
    if (addressBits(wish.family) - wish.prefix < 3) return `${text} must have at least 8 addresses`;
    const holder = taken.find(({ cidr }) => cidrsOverlap(cidr, wish));
    if (holder !== undefined) return `${text} must be free: ${holder.owner} has ${formatCidr(holder.cidr)}`;
  }
  return undefined;
}

/** Blocks that can be read; others bind nobody. */
function blocks(texts: readonly string[]): Cidr[] {
  return texts.map(parseCidr).filter(cidr => cidr !== undefined);
}
