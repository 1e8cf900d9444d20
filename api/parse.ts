/**
 * What a field of an object may be, and what a bad one is told.
 *
 * A parser is put together from fields. It returns a new object that holds what we use and nothing else, so that
 * a cache that keeps it does not keep the rest. `null` is read as absent, as the Kubernetes API means it.
 */

/** Reads one value. The path of a bad value grows while its error travels outwards: a good one costs nothing. */
export interface Field<T> {
  /** @throws UnreadableError */
  read(value: unknown): T;
}

/** A field that may be absent; an object leaves the key out. */
export interface OptionalField<T> extends Field<T | undefined> {
  readonly optional: true;
}

export type ValueOf<F> = F extends Field<infer T> ? T : never;
type OptionalKeys<S> = { [K in keyof S]: S[K] extends OptionalField<unknown> ? K : never }[keyof S];
type Simplify<T> = { readonly [K in keyof T]: T[K] };
export type ObjectOf<S> = Simplify<
  { [K in Exclude<keyof S, OptionalKeys<S>>]: ValueOf<S[K]> } & {
    [K in OptionalKeys<S>]?: Exclude<ValueOf<S[K]>, undefined>;
  }
>;

/** A value is not what its field may be. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
  readonly expected: string;
  readonly current: unknown;
  /** Path from the object's root, outermost first: `['spec', 'ports', 0, 'port']`. */
  readonly path: readonly (string | number)[];
  /** What was read, for example `ExportedService cluster1-demo-nginx`. */
  readonly subject: string;

  constructor(
    expected: string,
    current: unknown,
    path: readonly (string | number)[] = [],
    subject = 'value',
  ) {
    super(
      `Cannot read ${subject} as ${renderPath(path)} must be ${expected}: current value is ${renderValue(current)}`,
    );
    this.expected = expected;
    this.current = current;
    this.path = path;
    this.subject = subject;
  }
}

/** The same error, seen from the object or list that holds the value. */
function within(key: string | number, error: unknown): unknown {
  return error instanceof UnreadableError
    ? new UnreadableError(error.expected, error.current, [key, ...error.path])
    : error;
}

function renderPath(path: readonly (string | number)[]): string {
  if (path.length === 0) return 'it';
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[A-Za-z_]\w*$/.test(key)) return `[${renderValue(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

/** Values of strangers end in logs and conditions: they are cut, and control characters escaped. */
const longestShown = 120;

function renderValue(value: unknown): string {
  const text = value === undefined ? 'undefined' : (JSON.stringify(value) ?? typeof value);
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}

/** A field whose value passes a check as it is. */
export function checked<T>(expected: string, check: (value: unknown) => value is T): Field<T> {
  return {
    read(value) {
      if (check(value)) return value;
      throw new UnreadableError(expected, value);
    },
  };
}

/** Text that passes a check, of at most `maxLength` UTF-16 units. */
export function textThat(
  expected: string,
  check: (text: string) => boolean,
  maxLength = 4096,
): Field<string> {
  return checked(
    expected,
    (value): value is string => typeof value === 'string' && value.length <= maxLength && check(value),
  );
}

/** Any text, the empty one too. */
export const anyText: Field<string> = checked(
  'a text',
  (value): value is string => typeof value === 'string',
);

export const boolean: Field<boolean> = checked(
  'true or false',
  (value): value is boolean => typeof value === 'boolean',
);

export function integer(min: number, max: number): Field<number> {
  return checked(
    `an integer from ${min} to ${max}`,
    (value): value is number =>
      Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  );
}

export function oneOf<const T extends string>(...values: readonly T[]): Field<T> {
  return checked(`one of ${values.join(', ')}`, (value): value is T => values.includes(value as T));
}

export function optional<T>(field: Field<T>): OptionalField<T> {
  return {
    optional: true,
    read: value => (value === undefined || value === null ? undefined : field.read(value)),
  };
}

/** Like {@link optional}; an empty text counts as absent too, as Kubernetes writes an unnamed port. */
export function optionalText(field: Field<string>): OptionalField<string> {
  return {
    optional: true,
    read: value => (value === undefined || value === null || value === '' ? undefined : field.read(value)),
  };
}

export function withDefault<T>(field: Field<T>, value: T): Field<T> {
  return { read: given => (given === undefined || given === null ? value : field.read(given)) };
}

/** A list; where it is absent, an empty one. */
export function listOf<T>(field: Field<T>, limits: { min?: number; max?: number } = {}): Field<readonly T[]> {
  const { min = 0, max = 100_000 } = limits;
  const expected = min === 0 ? `a list of at most ${max}` : `a list of ${min} to ${max}`;
  return {
    read(value) {
      const list: unknown = value ?? [];
      if (!Array.isArray(list) || list.length < min || list.length > max)
        throw new UnreadableError(expected, value);
      const items = new Array<T>(list.length);
      let index = 0;
      try {
        for (; index < list.length; index++) items[index] = field.read(list[index]);
      } catch (error) {
        throw within(index, error);
      }
      return items;
    },
  };
}

const empty: Readonly<Record<string, never>> = Object.freeze({});

/** Texts by key; where it is absent, an empty object. */
export const textMap: Field<Readonly<Record<string, string>>> = {
  read(value) {
    if (value === undefined || value === null) return empty;
    if (typeof value !== 'object' || Array.isArray(value))
      throw new UnreadableError('an object of texts', value);
    for (const key in value) {
      const text = (value as Record<string, unknown>)[key];
      if (typeof text !== 'string') throw new UnreadableError('a text', text, [key]);
    }
    return value as Readonly<Record<string, string>>;
  },
};

/** An object with the given fields; others are left out. */
export function objectOf<const S extends Readonly<Record<string, Field<unknown>>>>(
  shape: S,
): Field<ObjectOf<S>> {
  const keys = Object.keys(shape);
  const fields = Object.values(shape);
  return {
    read(value) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new UnreadableError('an object', value);
      }
      const result: Record<string, unknown> = {};
      let index = 0;
      try {
        for (; index < keys.length; index++) {
          const key = keys[index] as string;
          const read = (fields[index] as Field<unknown>).read((value as Record<string, unknown>)[key]);
          if (read !== undefined) result[key] = read;
        }
      } catch (error) {
        throw within(keys[index] as string, error);
      }
      return result as ObjectOf<S>;
    },
  };
}

/** Like {@link objectOf}, and an absent object is read as one without fields. */
export function objectOrEmpty<const S extends Readonly<Record<string, Field<unknown>>>>(
  shape: S,
): Field<ObjectOf<S>> {
  const object = objectOf(shape);
  return { read: value => object.read(value ?? empty) };
}

/** What is read next, made of what was read: for rules between fields, and for other shapes. */
export function mapped<A, B>(field: Field<A>, map: (value: A) => B): Field<B> {
  return { read: value => map(field.read(value)) };
}

/**
 * The parser of a kind: names the object in its errors.
 *
 * @example "Cannot read ExportedService cluster1-demo-web as spec.ports[0].port must be an integer from 1 to 65535:
 *   current value is 70000"
 */
export function parserOf<T>(kind: string, field: Field<T>): (raw: unknown) => T {
  return raw => {
    try {
      return field.read(raw);
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      throw new UnreadableError(error.expected, error.current, error.path, subjectOf(kind, raw));
    }
  };
}

function subjectOf(kind: string, raw: unknown): string {
  const { namespace, name } =
    (raw as { metadata?: { namespace?: unknown; name?: unknown } | null } | null)?.metadata ?? {};
  if (typeof name !== 'string') return kind;
  const key = typeof namespace === 'string' ? `${namespace}/${name}` : name;
  return `${kind} ${/^[\w./-]{1,320}$/.test(key) ? key : renderValue(key)}`;
}
