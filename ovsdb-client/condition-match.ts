import { sameValue } from './decode.ts';
import type { AnyRow } from './row-update.ts';
import type { Atom, ColumnValue } from './value.ts';

/** A condition as programs write it; the types of `condition.ts` say which are legal. */
export type AnyCondition = boolean | readonly [string, string, unknown];

/** Whether any of the conditions of a monitor holds for a row; for servers that cannot tell themselves. */
export function matchesAny(row: AnyRow, conditions: readonly AnyCondition[]): boolean {
  if (conditions.length === 0) return true;
  return conditions.some(condition => {
    if (typeof condition === 'boolean') return condition;
    const [column, operator, operand] = condition;
    return matches(row[column], operator, operand as ColumnValue);
  });
}

function matches(value: ColumnValue, operator: string, operand: ColumnValue): boolean {
  switch (operator) {
    case '==':
      return sameValue(value, asMap(value, operand));
    case '!=':
      return !sameValue(value, asMap(value, operand));
    case 'includes':
      return partsOf(operand).every(([key, part]) => has(value, key, part));
    case 'excludes':
      return !partsOf(operand).some(([key, part]) => has(value, key, part));
  }
  if (typeof value !== 'number' || typeof operand !== 'number') return false;
  if (operator === '<') return value < operand;
  if (operator === '<=') return value <= operand;
  return operator === '>' ? value > operand : value >= operand;
}

/** A map may be written as a plain object. */
function asMap(value: ColumnValue, operand: ColumnValue): ColumnValue {
  return value instanceof Map && !(operand instanceof Map)
    ? new Map(Object.entries(operand as object))
    : operand;
}

function partsOf(operand: ColumnValue): readonly (readonly [Atom, Atom | undefined])[] {
  if (operand === undefined) return [];
  if (operand instanceof Map) return [...operand];
  if (Array.isArray(operand)) return operand.map(atom => [atom, undefined]);
  return typeof operand === 'object' ? Object.entries(operand as object) : [[operand, undefined]];
}

function has(value: ColumnValue, key: Atom, part: Atom | undefined): boolean {
  if (value instanceof Map) return value.has(key) && (part === undefined || value.get(key) === part);
  return Array.isArray(value) ? value.includes(key) : value === key;
}
