import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { readOptions } from '../process/options.ts';
import { followSettings, type LiveSettings, parseLiveSettings } from './livesettings.ts';
import { liveOptions } from './options.ts';

const start = readOptions(liveOptions, {}, {});

describe('settings that change while it runs', () => {
  it('are flags and values; what is not named is as at the start', () => {
    const settings = parseLiveSettings(
      'rate-limit: 500\nrate-limit-exempt: [10.0.0.0/8]\ntcp-idle: 3s',
      start,
    );
    expect(settings).to.deep.include({ rateLimit: 500, tcpIdle: 3_000, queryLog: 0 });
    expect(settings.rateLimitExempt).to.have.length(1);
    expect(parseLiveSettings('', start)).to.eql(start);
  });

  it('say what is wrong with them', () => {
    expect(() => parseLiveSettings('query-log: 2', start)).to.throw(
      'Cannot use the setting query-log as it must be a number from 0 to 1: current value is 2',
    );
    expect(() => parseLiveSettings('listen: x', start)).to.throw(
      'Cannot use the setting listen as it must be one of',
    );
    expect(() => parseLiveSettings('- a', start)).to.throw('must be an object of flags');
  });

  it('are followed; a file that is wrong changes nothing, one that is gone goes back to the start', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'crossdns-'));
    const file = join(directory, 'settings.yaml');
    const stop = new AbortController();
    const applied: LiveSettings[] = [];
    let wake = () => {};
    const running = followSettings(file, start, {
      log: silentLogger(),
      signal: stop.signal,
      apply: settings => {
        applied.push(settings);
        wake();
      },
    });
    const until = async (limit: number) => {
      while (applied.at(-1)?.rateLimit !== limit) await new Promise<void>(resolve => (wake = resolve));
    };
    await writeFile(file, 'rate-limit: 7');
    await until(7);
    await writeFile(file, 'rate-limit: many');
    await writeFile(file, 'rate-limit: 9');
    await until(9);
    await rm(file);
    await until(start.rateLimit);
    expect(applied.map(({ rateLimit }) => rateLimit)).not.to.include(Number.NaN);
    stop.abort();
    await running;
    await rm(directory, { recursive: true });
  });
});
