import { ProtocolError, show, UnknownColumnError } from './errors.ts';

export type AtomicType = 'integer' | 'real' | 'boolean' | 'string' | 'uuid';

/** RFC 7047 section 3.2, `<base-type>`. */
export interface BaseType {
  readonly type: AtomicType;
  readonly enum?: readonly (string | number | boolean)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  /** The table that a uuid refers to. */
  readonly refTable?: string;
}

/** RFC 7047 section 3.2, `<type>`, and the form in which its values are given to people. */
export interface ColumnType {
  /** `scalar`: exactly one; `optional`: one or undefined; `set`: a list without order; `map`: a Map. */
  readonly form: 'scalar' | 'optional' | 'set' | 'map';
  readonly key: BaseType;
  readonly value?: BaseType;
  readonly min: number;
  readonly max: number;
}

export interface ColumnSchema {
  readonly table: string;
  readonly name: string;
  readonly type: ColumnType;
  readonly mutable: boolean;
}

export interface TableSchema {
  readonly name: string;
  /** Those of the schema, and `_uuid`. */
  readonly columns: ReadonlyMap<string, ColumnSchema>;
  readonly isRoot: boolean;
}

export interface DatabaseSchema {
  readonly name: string;
  readonly version: string;
  readonly tables: ReadonlyMap<string, TableSchema>;
}

/** @throws UnknownColumnError */
export function tableOf(schema: DatabaseSchema, table: string): TableSchema {
  const found = schema.tables.get(table);
  if (found !== undefined) return found;
  throw new UnknownColumnError(
    `Cannot use the table ${table} as ${schema.name} ${schema.version} has none of that name`,
  );
}

/** @throws UnknownColumnError */
export function columnOf(schema: DatabaseSchema, table: string, column: string): ColumnSchema {
  const found = tableOf(schema, table).columns.get(column);
  if (found !== undefined) return found;
  throw new UnknownColumnError(
    `Cannot use the column ${table}.${column} as ${schema.name} ${schema.version} has none of that name`,
  );
}

/**
 * Reads a schema: the answer to `get_schema`, or a parsed `.ovsschema` file.
 *
 * @throws ProtocolError that says where it is not one.
 */
export function parseSchema(value: unknown): DatabaseSchema {
  const { name, version, tables } = asObject(value, 'the schema');
  if (typeof name !== 'string') throw unreadable('the name of the schema', 'a text', name);
  const parsed = new Map<string, TableSchema>();
  for (const [table, content] of Object.entries(asObject(tables, 'tables'))) {
    parsed.set(table, parseTable(table, content));
  }
  return { name, version: typeof version === 'string' ? version : '', tables: parsed };
}

function parseTable(name: string, value: unknown): TableSchema {
  const { columns, isRoot } = asObject(value, name);
  const parsed = new Map<string, ColumnSchema>();
  parsed.set('_uuid', { table: name, name: '_uuid', type: uuidType, mutable: false });
  for (const [column, content] of Object.entries(asObject(columns, `${name}.columns`))) {
    const { type, mutable } = asObject(content, `${name}.${column}`);
    parsed.set(column, {
      table: name,
      name: column,
      type: parseType(type, `${name}.${column}`),
      mutable: mutable !== false,
    });
  }
  return { name, columns: parsed, isRoot: isRoot === true };
}

const uuidType: ColumnType = { form: 'scalar', key: { type: 'uuid' }, min: 1, max: 1 };

function parseType(value: unknown, where: string): ColumnType {
  if (typeof value === 'string') return { form: 'scalar', key: parseBaseType(value, where), min: 1, max: 1 };
  const type = asObject(value, `the type of ${where}`);
  const key = parseBaseType(type.key, where);
  const min = type.min ?? 1;
  const max = type.max === 'unlimited' ? Number.MAX_SAFE_INTEGER : (type.max ?? 1);
  if (min !== 0 && min !== 1) throw unreadable(`"min" of ${where}`, '0 or 1', min);
  if (typeof max !== 'number' || max < 1) throw unreadable(`"max" of ${where}`, 'at least 1', max);
  if (type.value !== undefined) {
    return { form: 'map', key, value: parseBaseType(type.value, where), min, max };
  }
  return { form: max > 1 ? 'set' : min === 0 ? 'optional' : 'scalar', key, min, max };
}

const atomicTypes: readonly AtomicType[] = ['integer', 'real', 'boolean', 'string', 'uuid'];

function parseBaseType(value: unknown, where: string): BaseType {
  const base = typeof value === 'string' ? { type: value } : asObject(value, `the type of ${where}`);
  const type = atomicTypes.find(candidate => candidate === base.type);
  if (type === undefined)
    throw unreadable(`the type of ${where}`, `one of ${atomicTypes.join(', ')}`, base.type);
  const number = (member: string) => (typeof base[member] === 'number' ? base[member] : undefined);
  return dropUndefined({
    type,
    enum: base.enum === undefined ? undefined : parseEnum(base.enum, where),
    minimum: number(type === 'integer' ? 'minInteger' : 'minReal'),
    maximum: number(type === 'integer' ? 'maxInteger' : 'maxReal'),
    minLength: number('minLength'),
    maxLength: number('maxLength'),
    refTable: typeof base.refTable === 'string' ? base.refTable : undefined,
  });
}

function parseEnum(value: unknown, where: string): readonly (string | number | boolean)[] {
  const atoms = Array.isArray(value) && value[0] === 'set' ? (value[1] as unknown) : [value];
  if (!Array.isArray(atoms)) throw unreadable(`the enum of ${where}`, 'a set', value);
  return atoms.filter(atom => ['string', 'number', 'boolean'].includes(typeof atom)) as (
    | string
    | number
    | boolean
  )[];
}

function dropUndefined(base: { readonly [K in keyof BaseType]: BaseType[K] | undefined }): BaseType {
  return Object.fromEntries(
    Object.entries(base).filter(([, value]) => value !== undefined),
  ) as unknown as BaseType;
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unreadable(what, 'an object', value);
  return value as Record<string, unknown>;
}

function unreadable(what: string, expected: string, value: unknown): ProtocolError {
  return new ProtocolError(
    `Cannot read the schema as ${what} must be ${expected}: current value is ${show(value)}`,
  );
}
