/**
 * What may be set on a process, by flag or environment variable, and what a bad value is told.
 *
 * An option is described once, as data; its help text, its parsing and its error all come from that description.
 */

/** Turns the text of a flag into a value. Returns undefined for text that is not legal. */
export interface Parser<T> {
  /** What legal text is, so that it completes the sentence "must be …". */
  readonly expected: string;
  parse(text: string): T | undefined;
}

export interface Option<T> {
  /** Long flag without dashes, for example `listen`. Its environment variable is `NAUTI_LISTEN`. */
  readonly flag: string;
  readonly description: string;
  /** What stands for the value in the help text; none marks a switch that takes no value. */
  readonly placeholder?: string;
  readonly parser: Parser<T>;
  /** Text used where neither flag nor variable is given; undefined makes the option optional. */
  readonly default?: string;
  readonly required?: boolean;
  /** May be given several times; in an environment variable the values are separated by commas. */
  readonly repeatable?: boolean;
  /** Further environment variables that are read, after the derived one. */
  readonly aliases?: readonly string[];
}

/** biome-ignore lint/suspicious/noExplicitAny: the value type of each member is recovered by OptionValues. */
export type OptionSet = Readonly<Record<string, Option<any>>>;

export type OptionValues<S extends OptionSet> = {
  readonly [K in keyof S]: S[K] extends Option<infer T>
    ? S[K] extends { readonly repeatable: true }
      ? readonly T[]
      : S[K] extends { readonly default: string } | { readonly required: true }
        ? T
        : T | undefined
    : never;
};

/** The values given could not be used. The process prints the message and exits with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The environment variable that belongs to a flag: `hub-url` → `NAUTI_HUB_URL`. */
export function environmentName(flag: string): string {
  return `NAUTI_${flag.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * Reads the values of a set of options.
 *
 * @param given text by flag, from the command line; it wins over the environment.
 * @throws UsageError that names the flag or variable, what it must be and what it is.
 */
export function readOptions<S extends OptionSet>(
  options: S,
  given: Readonly<Record<string, readonly string[] | undefined>>,
  environment: Readonly<Record<string, string | undefined>>,
): OptionValues<S> {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(options)) {
    values[key] = readOption(option, given[option.flag], environment);
  }
  return values as OptionValues<S>;
}

function readOption(
  option: Option<unknown>,
  given: readonly string[] | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): unknown {
  const { source, texts } = findTexts(option, given, environment);
  if (texts === undefined) {
    if (option.required) {
      throw new UsageError(
        `Cannot start as --${option.flag} (or ${environmentName(option.flag)}) must be given: ${option.parser.expected}`,
      );
    }
    return option.repeatable ? [] : undefined;
  }
  const values = texts.map(text => {
    const value = option.parser.parse(text);
    if (value === undefined) {
      throw new UsageError(
        `Cannot use ${source} as it must be ${option.parser.expected}: current value is ${JSON.stringify(text)}`,
      );
    }
    return value;
  });
  return option.repeatable ? values : values.at(-1);
}

function findTexts(
  option: Option<unknown>,
  given: readonly string[] | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): { source: string; texts: readonly string[] | undefined } {
  if (given !== undefined && given.length > 0) return { source: `--${option.flag}`, texts: given };
  for (const name of [environmentName(option.flag), ...(option.aliases ?? [])]) {
    const text = environment[name];
    if (text === undefined || text === '') continue;
    return { source: name, texts: option.repeatable ? text.split(',').map(part => part.trim()) : [text] };
  }
  const texts =
    option.default === undefined
      ? undefined
      : option.repeatable
        ? splitDefault(option.default)
        : [option.default];
  return { source: `--${option.flag}`, texts };
}

function splitDefault(text: string): string[] {
  return text === '' ? [] : text.split(',');
}
