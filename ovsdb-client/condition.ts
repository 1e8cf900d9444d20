import { encode, encodeKey, encodeKeys, encodeMap } from './encode.ts';
import { ColumnTypeError } from './errors.ts';
import { type ColumnSchema, columnOf, type DatabaseSchema } from './schema.ts';
import type { ColumnInput } from './value.ts';

/** RFC 7047 section 5.1, `<function>`. `includes` and `excludes` take a part of a set or map. */
export type ConditionFunction = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'includes' | 'excludes';

/** Rows that it holds for are meant; a list of conditions means rows that all hold for. `true` means every row. */
export type Condition<R> =
  | boolean
  | {
      readonly [C in keyof R & string]: readonly [C, ConditionFunction, ColumnInput<R[C]>];
    }[keyof R & string];

/** RFC 7047 section 5.1, `<mutation>`. `delete` on a map takes keys, or a Map of pairs. */
export type Mutation<R> = {
  readonly [C in keyof R & string]: R[C] extends number
    ? readonly [C, '+=' | '-=' | '*=' | '/=' | '%=', number]
    : R[C] extends ReadonlyMap<infer K, unknown>
      ? readonly [C, 'insert', ColumnInput<R[C]>] | readonly [C, 'delete', ColumnInput<R[C]> | readonly K[]]
      : R[C] extends readonly unknown[]
        ? readonly [C, 'insert' | 'delete', ColumnInput<R[C]>]
        : never;
}[keyof R & string];

/** @throws ColumnTypeError, UnknownColumnError */
export function encodeConditions(
  schema: DatabaseSchema,
  table: string,
  conditions: readonly (boolean | readonly [string, ConditionFunction, unknown])[],
): unknown[] {
  return conditions.map(condition => {
    if (typeof condition === 'boolean') return condition;
    const [name, operator, value] = condition;
    return [name, operator, encodeOperand(columnOf(schema, table, name), operator, value)];
  });
}

function encodeOperand(column: ColumnSchema, operator: ConditionFunction, value: unknown): unknown {
  const { form } = column.type;
  switch (operator) {
    case '==':
    case '!=':
      return encode(column, value);
    case '<':
    case '<=':
    case '>':
    case '>=':
      return encodeKey(column, value);
    case 'includes':
    case 'excludes':
      if (form === 'map') return encodeMap(column, value);
      if (form === 'scalar') return encode(column, value);
      return encodeKeys(column, asList(column, form === 'optional' ? toList(value) : value));
  }
}

/** @throws ColumnTypeError, UnknownColumnError */
export function encodeMutations(
  schema: DatabaseSchema,
  table: string,
  mutations: readonly (readonly [string, string, unknown])[],
): unknown[] {
  return mutations.map(([name, mutator, value]) => {
    const column = columnOf(schema, table, name);
    return [name, mutator, encodeArgument(column, mutator, value)];
  });
}

function encodeArgument(column: ColumnSchema, mutator: string, value: unknown): unknown {
  if (mutator !== 'insert' && mutator !== 'delete') {
    // RFC 7047: the argument of an arithmetic mutator is any number, the result must fit the column.
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new ColumnTypeError(column.table, column.name, 'changed by a number', value);
  }
  if (column.type.form !== 'map') return encodeKeys(column, asList(column, value));
  return mutator === 'delete' && Array.isArray(value) ? encodeKeys(column, value) : encodeMap(column, value);
}

function toList(value: unknown): readonly unknown[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function asList(column: ColumnSchema, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ColumnTypeError(column.table, column.name, 'compared with, or changed by, a list', value);
}
