/** Values of columns as programs see them. */

declare const uuidBrand: unique symbol;

/** A row's UUID, in its usual text form. */
export type Uuid = string & { readonly [uuidBrand]: true };

/** RFC 4122 text form, any version. */
export function isUuid(text: unknown): text is Uuid {
  return (
    typeof text === 'string' && /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)
  );
}

/** @throws TypeError for text that is not a UUID. */
export function uuid(text: string): Uuid {
  if (isUuid(text)) return text;
  throw new TypeError(`Cannot use the text as it must be a UUID: current value is ${JSON.stringify(text)}`);
}

/** A row that the same transaction inserts: stands wherever its UUID will stand (RFC 7047 `<named-uuid>`). */
export class NewRow {
  /** Unique in its transaction. */
  readonly name: string;
  /** Which operation inserts it, from 0. */
  readonly operation: number;

  constructor(name: string, operation: number) {
    this.name = name;
    this.operation = operation;
  }
}

export type Atom = string | number | boolean;

/** What a column of a replica holds: by its form one atom, one or none, a list without order, or a Map. */
export type ColumnValue = Atom | undefined | readonly Atom[] | ReadonlyMap<Atom, Atom>;

/** What is given to write such a column: references may be to new rows, and maps with text keys may be plain objects. */
export type ColumnInput<V> =
  V extends ReadonlyMap<infer K, infer T>
    ?
        | ReadonlyMap<K, AtomInput<T>>
        | (K extends Uuid ? never : K extends string ? Readonly<Record<K, AtomInput<T>>> : never)
    : V extends readonly (infer T)[]
      ? readonly AtomInput<T>[]
      : AtomInput<V>;

type AtomInput<T> = T extends Uuid ? Uuid | NewRow : T;

/** A row to be inserted: every column may be left out. */
export type RowInput<R> = { readonly [C in Exclude<keyof R, '_uuid'>]?: ColumnInput<R[C]> };
