import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { eventually } from '../e2e/eventually.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The commands of a document's `sh` blocks, one a line. */
function commandsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
    block.split('\n').filter(line => line !== '' && !line.startsWith('#')),
  );
}

/** What runs each command that README.md shows; `here` is this file. */
const runBy: Readonly<Record<string, RegExp>> = {
  'the demo, a step of the gate': /^npm run demo$/,
  here: /^npm exec nauti -- crossdns /,
  'the demo, which installs the charts with these values': /^helm install nauti helm\/nauti /,
  'the demo, for each cluster': /^kubectl nauti (token create cluster1|dns enable)$/,
};

describe('README.md', () => {
  const commands = commandsOf(readFileSync(`${root}README.md`, 'utf8'));

  it('shows only commands that something runs', () => {
    expect(commands).to.have.length.greaterThan(2);
    const unknown = commands.filter(command => !Object.values(runBy).some(pattern => pattern.test(command)));
    expect(unknown).to.deep.equal([]);
  });

  it('starts a DNS server on a directory of manifests with one command', async function () {
    this.timeout(180_000);
    const command = commands.find(line => line.startsWith('npm exec nauti -- crossdns')) ?? '';
    const listen = /--listen (\S+)/.exec(command)?.[1] ?? '';
    const server = spawn('sh', ['-c', `exec ${command}`], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = once(server, 'exit');
    let log = '';
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    try {
      const resolver = new Resolver({ timeout: 500, tries: 1 });
      resolver.setServers([listen]);
      const { answer } = await eventually(
        'the server answers',
        60_000,
        async () => {
          expect(server.exitCode, `it ended: ${log}`).to.equal(null);
          return resolver.resolveTxt('dns-version.hyperos.local');
        },
        records => records.length > 0,
      );
      expect(answer).to.deep.equal([['1.0.0']]);
    } finally {
      // npm does not pass signals on to what it started.
      if (server.pid !== undefined && server.exitCode === null) process.kill(-server.pid, 'SIGTERM');
      await ended;
    }
  });
});
