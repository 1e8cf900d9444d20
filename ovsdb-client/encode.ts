import { ColumnTypeError } from './errors.ts';
import type { BaseType, ColumnSchema, ColumnType } from './schema.ts';
import { isUuid, NewRow } from './value.ts';

/** What a column takes, so that it completes the sentence "must be …". */
export function describeType(type: ColumnType): string {
  const key = describeBase(type.key);
  switch (type.form) {
    case 'scalar':
      return key;
    case 'optional':
      return `${key}, or undefined`;
    case 'set':
      return `a list of ${describeCount(type)}${describeBase(type.key)}`;
    case 'map':
      return `a Map of ${describeCount(type)}${key} to ${describeBase(type.value ?? type.key)}`;
  }
}

function describeCount(type: ColumnType): string {
  if (type.max === Number.MAX_SAFE_INTEGER) return type.min === 0 ? '' : `at least ${type.min} of `;
  return `${type.min} to ${type.max} of `;
}

function describeBase(base: BaseType): string {
  if (base.enum !== undefined) return `one of ${base.enum.map(value => JSON.stringify(value)).join(', ')}`;
  const { minimum, maximum, minLength, maxLength } = base;
  const from = minimum ?? minLength;
  const to = maximum ?? maxLength;
  const length = minLength !== undefined || maxLength !== undefined ? 'of a length ' : '';
  const range = `${from === undefined ? '' : ` ${length}from ${from}`}${to === undefined ? '' : `${from === undefined ? ` ${length}up` : ''} to ${to}`}`;
  const nouns = {
    integer: 'an integer',
    real: 'a number',
    boolean: 'true or false',
    string: 'a text',
    uuid: `a UUID or a new row${base.refTable === undefined ? '' : ` of ${base.refTable}`}`,
  };
  return `${nouns[base.type]}${range}`;
}

/**
 * Brings a value into the form of the wire (RFC 7047 section 5.1).
 *
 * @throws ColumnTypeError where the column does not take it.
 */
export function encode(column: ColumnSchema, value: unknown): unknown {
  const { type } = column;
  switch (type.form) {
    case 'scalar':
      return encodeAtom(column, type.key, value, value);
    case 'optional':
      return value === undefined ? ['set', []] : encodeAtom(column, type.key, value, value);
    case 'set': {
      if (!Array.isArray(value)) throw mismatch(column, value);
      return encodeSet(column, value);
    }
    case 'map':
      return encodeMap(column, value);
  }
}

/** A set of keys, whatever the form of the column: for mutations and conditions on parts of it. */
export function encodeKeys(column: ColumnSchema, keys: readonly unknown[]): unknown {
  return ['set', keys.map(key => encodeAtom(column, column.type.key, key, keys))];
}

/** One atom of a column's keys. */
export function encodeKey(column: ColumnSchema, key: unknown): unknown {
  return encodeAtom(column, column.type.key, key, key);
}

function encodeSet(column: ColumnSchema, values: readonly unknown[]): unknown {
  const { min, max, key } = column.type;
  if (values.length < min || values.length > max) throw mismatch(column, values);
  return ['set', values.map(value => encodeAtom(column, key, value, values))];
}

/** A Map, or a plain object where the keys are texts. Counts are checked by the caller where they matter. */
export function encodeMap(column: ColumnSchema, value: unknown): unknown {
  const { key, value: valueType = key, max } = column.type;
  const entries = entriesOf(value);
  if (entries === undefined || entries.length > max) throw mismatch(column, value);
  return [
    'map',
    entries.map(([k, v]) => [encodeAtom(column, key, k, value), encodeAtom(column, valueType, v, value)]),
  ];
}

function entriesOf(value: unknown): readonly (readonly [unknown, unknown])[] | undefined {
  if (value instanceof Map) return [...value];
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof NewRow)
    return undefined;
  return Object.entries(value);
}

function encodeAtom(column: ColumnSchema, base: BaseType, atom: unknown, whole: unknown): unknown {
  if (base.type === 'uuid') {
    if (atom instanceof NewRow) return ['named-uuid', atom.name];
    if (isUuid(atom)) return ['uuid', atom];
    throw mismatch(column, whole);
  }
  if (!fits(base, atom)) throw mismatch(column, whole);
  return atom;
}

function fits(base: BaseType, atom: unknown): boolean {
  if (base.enum !== undefined && !base.enum.includes(atom as string)) return false;
  switch (base.type) {
    case 'integer':
      return Number.isSafeInteger(atom) && inRange(atom as number, base.minimum, base.maximum);
    case 'real':
      return Number.isFinite(atom) && inRange(atom as number, base.minimum, base.maximum);
    case 'boolean':
      return typeof atom === 'boolean';
    case 'string':
      return (
        typeof atom === 'string' &&
        // What OVS's JSON parser refuses, with the whole connection.
        !atom.includes('\0') &&
        atom.isWellFormed() &&
        (base.minLength === undefined && base.maxLength === undefined
          ? true
          : inRange([...atom].length, base.minLength, base.maxLength))
      );
    case 'uuid':
      return false;
  }
}

function inRange(value: number, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY): boolean {
  return value >= min && value <= max;
}

function mismatch(column: ColumnSchema, value: unknown): ColumnTypeError {
  return new ColumnTypeError(column.table, column.name, describeType(column.type), value);
}
