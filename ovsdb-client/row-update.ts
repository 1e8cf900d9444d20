import { applyDifference, decode, defaultOf } from './decode.ts';
import { ProtocolError, show } from './errors.ts';
import type { ColumnSchema } from './schema.ts';
import type { ColumnValue, Uuid } from './value.ts';

/** A row of a replica: `_uuid` and the monitored columns. Never changed in place. */
export type AnyRow = Readonly<Record<string, ColumnValue>>;

/** `update` of RFC 7047 carries whole rows; `update2` and `update3` carry differences. */
export type UpdateFormat = 'whole' | 'difference';

/** @returns the row as it is after the update; undefined where it is gone. */
export function applyRowUpdate(
  format: UpdateFormat,
  columns: readonly ColumnSchema[],
  uuid: Uuid,
  before: AnyRow | undefined,
  wire: unknown,
): AnyRow | undefined {
  const update = asObject(wire, 'a row update');
  if (format === 'whole') {
    if (update.new === undefined) return undefined;
    return wholeRow(columns, uuid, asObject(update.new, 'a row'), before);
  }
  const inserted = update.initial ?? update.insert;
  if (inserted !== undefined) return wholeRow(columns, uuid, asObject(inserted, 'a row'), undefined);
  if (update.modify !== undefined) {
    if (before === undefined) {
      throw new ProtocolError(`Cannot apply a difference as the row ${uuid} must be known: it is not`);
    }
    return changedRow(columns, before, asObject(update.modify, 'a row'));
  }
  if ('delete' in update) return undefined;
  throw unreadable('a row update', wire);
}

/** Columns that the wire leaves out have what they had before, or their defaults. */
function wholeRow(
  columns: readonly ColumnSchema[],
  uuid: Uuid,
  wire: Readonly<Record<string, unknown>>,
  before: AnyRow | undefined,
): AnyRow {
  // All rows of a table get their properties in one order, so that they share a hidden class.
  const row: Record<string, ColumnValue> = { _uuid: uuid };
  for (const column of columns) {
    const value = wire[column.name];
    if (value !== undefined) row[column.name] = decode(column, value);
    else row[column.name] = before === undefined ? defaultOf(column.type) : before[column.name];
  }
  return row;
}

function changedRow(
  columns: readonly ColumnSchema[],
  before: AnyRow,
  wire: Readonly<Record<string, unknown>>,
): AnyRow {
  const row: Record<string, ColumnValue> = { _uuid: before._uuid };
  for (const column of columns) {
    const value = before[column.name];
    const difference = wire[column.name];
    row[column.name] = difference === undefined ? value : applyDifference(column, value, difference);
  }
  return row;
}

/** Walks `<table-updates>` or `<table-updates2>`: each row's table, UUID and update. */
export function* rowUpdates(wire: unknown): Generator<readonly [string, Uuid, unknown]> {
  const tables = asObject(wire, 'table updates');
  for (const table of Object.keys(tables)) {
    const rows = asObject(tables[table], 'a table update');
    for (const uuid of Object.keys(rows)) yield [table, uuid as Uuid, rows[uuid]];
  }
}

function asObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable(what, value);
  return value as Readonly<Record<string, unknown>>;
}

function unreadable(what: string, value: unknown): ProtocolError {
  return new ProtocolError(
    `Cannot read from the server as there must be ${what}: current value is ${show(value)}`,
  );
}
