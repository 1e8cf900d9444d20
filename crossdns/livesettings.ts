import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { parse } from 'yaml';
import type { Logger } from '../process/log.ts';
import type { Option, OptionValues } from '../process/options.ts';
import { changes } from './changes.ts';
import { liveOptions } from './options.ts';

/** What may change while the server runs. */
export type LiveSettings = OptionValues<typeof liveOptions>;

/**
 * Reads a file of settings: YAML, each key the name of a flag without dashes, such as `rate-limit: 500`. What it does
 * not name is as it was at the start.
 *
 * @throws Error that names the key, what its value must be and what it is.
 */
export function parseLiveSettings(text: string, start: LiveSettings): LiveSettings {
  const given: unknown = parse(text) ?? {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new Error('Cannot use the settings as they must be an object of flags');
  }
  const settings: Record<string, unknown> = { ...start };
  const byFlag = new Map(Object.entries(liveOptions).map(entry => [entry[1].flag, entry] as const));
  for (const [flag, value] of Object.entries(given)) {
    const found = byFlag.get(flag as never);
    if (found === undefined) {
      const legal = [...byFlag.keys()].join(', ');
      throw new Error(`Cannot use the setting ${flag} as it must be one of ${legal}`);
    }
    const [name, option] = found;
    settings[name] = parseSetting(option, value);
  }
  return settings as LiveSettings;
}

function parseSetting(option: Option<unknown>, value: unknown): unknown {
  const values = Array.isArray(value) ? value : [value];
  const parsed = values.map(item => {
    const result = option.parser.parse(String(item));
    if (result !== undefined) return result;
    throw new Error(
      `Cannot use the setting ${option.flag} as it must be ${option.parser.expected}: current value is ${JSON.stringify(item)}`,
    );
  });
  return option.repeatable ? parsed : parsed.at(-1);
}

/** Calls back with the settings of a file now and whenever it changes. A file that is wrong changes nothing. */
export async function followSettings(
  path: string,
  start: LiveSettings,
  { log, signal, apply }: { log: Logger; signal: AbortSignal; apply: (settings: LiveSettings) => void },
): Promise<void> {
  let last: string | undefined;
  // The directory, as files of a ConfigMap are swapped with it.
  for await (const _ of changes(dirname(path), signal)) {
    try {
      const text = await readFile(path, 'utf8');
      if (text === last) continue;
      last = text;
      apply(parseLiveSettings(text, start));
      log.info({ file: basename(path) }, 'settings read');
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (gone && last !== undefined) apply(start);
      if (gone) last = undefined;
      else log.error({ err: error, path }, 'settings refused, the former stay');
    }
  }
}
