import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { freePort } from '../../../ovsdb-client/testing/programs.ts';
import { sharedClusterSet } from './cluster-set.ts';
import { eventually } from './objects.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

describe("the syncer's README", () => {
  it('shows one command, and it starts a syncer that gets ready', async function () {
    this.timeout(180_000);
    const markdown = await readFile(`${root}syncer/README.md`, 'utf8');
    const blocks = [...markdown.matchAll(/^```sh\n(.*)\n```$/gm)];
    expect(blocks).to.have.length(1);
    const [program, ...args] = blocks[0]?.[1]?.split(' ') ?? [];
    expect(program).to.equal('nauti');
    const set = await sharedClusterSet();
    const directory = await mkdtemp(join(tmpdir(), 'nauti-readme-'));
    await copyFile(set.cluster1.plane.kubeconfig, join(directory, 'cluster1.kubeconfig'));
    await copyFile(set.hub.plane.kubeconfig, join(directory, 'hub.kubeconfig'));
    const listen = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', process.execPath, `${root}cli/nauti.ts`, ...args],
      {
        cwd: directory,
        stdio: 'ignore',
        env: { PATH: process.env.PATH, NAUTI_HTTP_LISTEN: listen },
      },
    );
    const ended = once(child, 'exit');
    try {
      const readiness = () =>
        fetch(`http://${listen}/readyz`)
          .then(response => response.text())
          .catch(error => String(error));
      await eventually('readiness', readiness, 'ok\n');
      const metrics = await fetch(`http://${listen}/metrics`).then(response => response.text());
      expect(metrics).to.contain('nauti_syncer_hub_fresh').and.to.contain('nauti_syncer_exports ');
    } finally {
      child.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true, force: true });
    }
    expect((await ended)[0]).to.equal(0);
  });
});
