import { ProtocolError, show } from './errors.ts';
import type { BaseType, ColumnSchema, ColumnType } from './schema.ts';
import type { Atom, ColumnValue } from './value.ts';

const noAtoms: readonly Atom[] = Object.freeze([]);
const noPairs: ReadonlyMap<Atom, Atom> = new Map();
const zeroUuid = '00000000-0000-0000-0000-000000000000';

/** What a column holds that nobody wrote to; row updates leave it out (RFC 7047 section 5.2.1). */
export function defaultOf(type: ColumnType): ColumnValue {
  switch (type.form) {
    case 'scalar':
      return defaultAtom(type.key);
    case 'optional':
      return undefined;
    case 'set':
      return type.min === 0 ? noAtoms : [defaultAtom(type.key)];
    case 'map':
      return type.min === 0
        ? noPairs
        : new Map([[defaultAtom(type.key), defaultAtom(type.value ?? type.key)]]);
  }
}

function defaultAtom(base: BaseType): Atom {
  switch (base.type) {
    case 'integer':
    case 'real':
      return 0;
    case 'boolean':
      return false;
    case 'string':
      return '';
    case 'uuid':
      return zeroUuid;
  }
}

/**
 * Reads a value from the wire (RFC 7047 section 5.1, `<value>`). Integers beyond 2⁵³ lose their last digits.
 *
 * @throws ProtocolError naming the column where it is not of its type.
 */
export function decode(column: ColumnSchema, wire: unknown): ColumnValue {
  const { type } = column;
  switch (type.form) {
    case 'scalar':
      return decodeAtom(column, type.key, wire);
    case 'optional': {
      const atoms = decodeSet(column, wire);
      if (atoms.length > 1) throw unreadable(column, 'at most one value', wire);
      return atoms[0];
    }
    case 'set':
      return decodeSet(column, wire);
    case 'map':
      return decodeMap(column, wire);
  }
}

function decodeSet(column: ColumnSchema, wire: unknown): readonly Atom[] {
  const { key } = column.type;
  if (!Array.isArray(wire) || wire[0] !== 'set') return [decodeAtom(column, key, wire)];
  const atoms: unknown = wire[1];
  if (!Array.isArray(atoms)) throw unreadable(column, 'a set', wire);
  return atoms.length === 0 ? noAtoms : atoms.map(atom => decodeAtom(column, key, atom));
}

function decodeMap(column: ColumnSchema, wire: unknown): ReadonlyMap<Atom, Atom> {
  const pairs: unknown = Array.isArray(wire) && wire[0] === 'map' ? wire[1] : undefined;
  if (!Array.isArray(pairs)) throw unreadable(column, 'a map', wire);
  if (pairs.length === 0) return noPairs;
  const { key, value = key } = column.type;
  const map = new Map<Atom, Atom>();
  for (const pair of pairs as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) throw unreadable(column, 'a map', wire);
    map.set(decodeAtom(column, key, pair[0]), decodeAtom(column, value, pair[1]));
  }
  return map;
}

function decodeAtom(column: ColumnSchema, base: BaseType, wire: unknown): Atom {
  switch (base.type) {
    case 'integer':
    case 'real':
      if (typeof wire === 'number') return wire;
      break;
    case 'boolean':
      if (typeof wire === 'boolean') return wire;
      break;
    case 'string':
      if (typeof wire === 'string') return wire;
      break;
    case 'uuid':
      if (Array.isArray(wire) && wire[0] === 'uuid' && typeof wire[1] === 'string') return wire[1];
      break;
  }
  throw unreadable(column, `a value of type ${base.type}`, wire);
}

/**
 * Applies a difference of update2 or update3: sets and maps toggle what the difference holds, everything else is
 * replaced by it (ovsdb-server(7), 4.1.14). Values are never changed in place.
 */
export function applyDifference(column: ColumnSchema, before: ColumnValue, wire: unknown): ColumnValue {
  const difference = decode(column, wire);
  if (difference instanceof Map) return toggleMap(before as ReadonlyMap<Atom, Atom>, difference);
  if (column.type.form === 'set') return toggleSet(before as readonly Atom[], difference as readonly Atom[]);
  return difference;
}

function toggleSet(before: readonly Atom[], difference: readonly Atom[]): readonly Atom[] {
  const toggled = new Set(difference);
  const after: Atom[] = [];
  for (const atom of before) if (!toggled.delete(atom)) after.push(atom);
  for (const atom of toggled) after.push(atom);
  return after.length === 0 ? noAtoms : after;
}

function toggleMap(
  before: ReadonlyMap<Atom, Atom>,
  difference: ReadonlyMap<Atom, Atom>,
): ReadonlyMap<Atom, Atom> {
  const after = new Map(before);
  for (const [key, value] of difference) {
    if (after.get(key) === value) after.delete(key);
    else after.set(key, value);
  }
  return after.size === 0 ? noPairs : after;
}

/** Whether two values of one column are the same to the database: sets and maps have no order. */
export function sameValue(a: ColumnValue, b: ColumnValue): boolean {
  if (a === b) return true;
  if (a instanceof Map && b instanceof Map) {
    if (a.size !== b.size) return false;
    for (const [key, value] of a) if (b.get(key) !== value || !b.has(key)) return false;
    return true;
  }
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  if (a.every((atom, index) => atom === b[index])) return true;
  const atoms = new Set<unknown>(a);
  return b.every(atom => atoms.has(atom));
}

function unreadable(column: ColumnSchema, expected: string, wire: unknown): ProtocolError {
  return new ProtocolError(
    `Cannot read ${column.table}.${column.name} as it must be ${expected}: current value is ${show(wire)}`,
  );
}
