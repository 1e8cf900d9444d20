import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { silentLogger } from '../../process/log.ts';
import { importOf, Served, sliceOf } from '../served.fixture.ts';
import { DirectorySource, parseManifests } from './directory.ts';

const name = 'web.demo.svc.hyperos.local A';
const slice = (...endpoints: string[]) => JSON.stringify(sliceOf('demo/web', 'c1', endpoints));

describe('a directory of manifests', () => {
  let directory = '';
  let stop: AbortController;
  let running: Promise<void>;
  let served: Served;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'crossdns-'));
    stop = new AbortController();
    served = new Served([]);
  });

  afterEach(async () => {
    stop.abort();
    await running;
    await rm(directory, { recursive: true });
  });

  async function start(path = directory): Promise<DirectorySource> {
    const source = new DirectorySource(path, {
      catalog: served.catalog,
      localNamespace: 'syncer-operator',
      log: silentLogger(),
    });
    running = source.run(stop.signal);
    await source.untilSynced(stop.signal);
    return source;
  }

  /** Waits until the answer is this. */
  async function becomes(answer: string | string[]): Promise<void> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const now = served.data(name);
      if (JSON.stringify(now) === JSON.stringify(answer)) return;
      if (performance.now() > deadline) expect(now).to.eql(answer);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  it('is read at the start: YAML, JSON, several documents, Lists, and nothing else', async () => {
    const yaml = `# nothing\n---\n${slice('10.1.0.1')}\n---\nkind: ConfigMap\nmetadata: {name: other}\n`;
    await writeFile(join(directory, 'a.yaml'), yaml);
    const second = JSON.stringify(sliceOf('demo/web', 'c2', ['10.2.0.1']));
    await writeFile(join(directory, 'b.json'), `{"kind":"List","items":[${second}]}`);
    await writeFile(join(directory, 'c.txt'), slice('10.3.0.1'));
    await writeFile(join(directory, '.d.yaml'), slice('10.4.0.1'));
    const source = await start();
    expect(source.synced).to.equal(true);
    expect(served.data(name)).to.eql(['10.1.0.1', '10.2.0.1']);
  });

  it('is followed: files that change, come and go', async () => {
    await writeFile(join(directory, 'a.yaml'), slice('10.1.0.1'));
    await start();
    await writeFile(join(directory, 'a.yaml'), slice('10.1.0.2'));
    await becomes(['10.1.0.2']);
    await writeFile(join(directory, 'b.yaml'), JSON.stringify(sliceOf('demo/web', 'c2', ['10.2.0.1'])));
    await becomes(['10.1.0.2', '10.2.0.1']);
    await rm(join(directory, 'a.yaml'));
    await becomes(['10.2.0.1']);
    await rm(join(directory, 'b.yaml'));
    await becomes('NXDOMAIN');
  });

  it('keeps what a file said while it is broken, and goes on with others', async () => {
    await writeFile(join(directory, 'a.yaml'), slice('10.1.0.1'));
    await start();
    for (const [i, broken] of ['kind: {', '', 'just text', slice('10.1.0.300'), '- a\n- list'].entries()) {
      await writeFile(join(directory, 'a.yaml'), broken);
      const other = `10.2.0.${i + 1}`;
      await writeFile(join(directory, 'b.yaml'), JSON.stringify(sliceOf('demo/web', 'c2', [other])));
      await becomes(['10.1.0.1', other]);
    }
    await writeFile(join(directory, 'a.yaml'), slice('10.1.0.9'));
    await rm(join(directory, 'b.yaml'));
    await becomes(['10.1.0.9']);
  });

  it('may be swapped as a whole, as a mounted ConfigMap is', async () => {
    for (const version of ['1', '2']) {
      await mkdir(join(directory, `..v${version}`));
      await writeFile(join(directory, `..v${version}`, 'a.yaml'), slice(`10.1.0.${version}`));
    }
    await symlink('..v1', join(directory, '..data'));
    await symlink('..data/a.yaml', join(directory, 'a.yaml'));
    await start();
    await becomes(['10.1.0.1']);
    await symlink('..v2', join(directory, '..tmp'));
    await rename(join(directory, '..tmp'), join(directory, '..data'));
    await becomes(['10.1.0.2']);
  });

  it('must be there at the start', async () => {
    const source = new DirectorySource(join(directory, 'none'), {
      catalog: served.catalog,
      localNamespace: 'x',
      log: silentLogger(),
    });
    running = Promise.resolve();
    const error = await source.run(stop.signal).catch((reason: Error) => reason);
    expect(error).to.have.property('code', 'ENOENT');
  });
});

describe('manifests', () => {
  it('say what is wrong with them', () => {
    expect(() => parseManifests('kind: X\nmetadata: {}')).to.throw('kind and metadata.name');
    expect(() => parseManifests('a: &a [*a, *a]\nb: [*a')).to.throw();
    expect(parseManifests('')).to.eql([]);
    expect(parseManifests(JSON.stringify(importOf('demo/web')))).to.have.length(1);
  });
});
