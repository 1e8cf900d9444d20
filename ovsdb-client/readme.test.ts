import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { formatEndpoint } from './endpoint.ts';
import { startStandalone } from './testing/ovsdb-server.ts';
import { sharedFile } from './testing/programs.ts';

const execute = promisify(execFile);
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const readme = readFileSync(path('README.md'), 'utf8');

describe('README', () => {
  it('shows the examples as they are', () => {
    const shown = new Map(
      [...readme.matchAll(/^`examples\/(.+)`.*\n\n```ts\n([\s\S]*?)```$/gm)].map(([, name, text]) => [
        name,
        text,
      ]),
    );
    const names = readdirSync(path('examples')).sort();
    expect([...shown.keys()].sort()).to.deep.equal(names);
    for (const name of names)
      expect(shown.get(name)).to.equal(readFileSync(path(`examples/${name}`), 'utf8'));
  });

  it('has examples that run', async () => {
    await using server = await startStandalone({ schema: sharedFile('ovn/ovn-nb.ovsschema') });
    const run = async (name: string) => {
      const { stdout } = await execute(process.execPath, [
        path(`examples/${name}`),
        formatEndpoint(server.endpoint),
      ]);
      return stdout.trim().split('\n');
    };
    expect((await run('add-port.ts')).join()).to.match(/^inserted [0-9a-f-]{36}$/);
    expect(await run('list-ports.ts')).to.deep.equal([
      'web-0.demo 0a:58:0a:71:00:05 10.113.0.5',
      'demo/web-0 has 1 port',
    ]);
    expect(await run('watch.ts')).to.deep.equal(['- → example']);
    expect(await run('one-writer.ts')).to.deep.equal(['done']);
  });
});
