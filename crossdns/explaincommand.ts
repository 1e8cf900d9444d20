import { isIP } from 'node:net';
import { createLogger } from '../process/log.ts';
import type { OptionSet, OptionValues, Parser } from '../process/options.ts';
import { Answering } from './answering.ts';
import { Catalog } from './catalog.ts';
import { typeNumber } from './dnsclient.ts';
import { explain } from './explain.ts';
import { Feed } from './feed.ts';
import { nameToWire } from './name.ts';
import { options } from './options.ts';

const ipAddress: Parser<string> = {
  expected: 'an IP address',
  parse: value => (isIP(value) === 0 ? undefined : value),
};

/** Those of the server, so that in its pod the environment says what it serves; and who asks. */
export const explainOptions = {
  ...options,
  clientIp: {
    flag: 'client-ip',
    placeholder: 'ADDRESS',
    description: 'who asks',
    parser: ipAddress,
  },
} as const satisfies OptionSet;

/** `nauti crossdns explain <name> [type]`: reads the sources once and says why a name answers what it answers. */
export const explainTool = {
  summary: 'says which import, slices and policies make an answer, from the sources as they are now',
  usage: '<name> [type]',
  options: explainOptions,
  run: explainCommand,
};

async function explainCommand(
  words: readonly string[],
  settings: OptionValues<typeof explainOptions>,
): Promise<number> {
  const [name = '', type = 'A', ...more] = words;
  if (name === '' || more.length > 0 || nameToWire(name) === undefined) {
    process.stderr.write('Cannot explain as one name, and a type where wanted, must be given\n');
    return 2;
  }
  try {
    typeNumber(type);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  const log = createLogger('crossdns', 'error');
  const catalog = new Catalog();
  const answering = new Answering(settings, catalog, [], log);
  answering.responder.ready = true;
  const stop = new AbortController();
  const feed = await Feed.open({ ...settings, snapshot: undefined }, catalog, log);
  await feed.run(stop.signal, () => stop.abort());
  const lines = explain({ name, type, clientIp: settings.clientIp }, settings, catalog, answering.responder);
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}
