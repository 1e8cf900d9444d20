import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { Catalog } from './catalog.ts';
import { readServiceRecord, type ServiceRecord } from './records.ts';
import { importOf, Served, sliceOf } from './served.fixture.ts';
import { readSnapshot, writeSnapshot } from './snapshot.ts';
import { SnapshotKeeper } from './snapshotkeeper.ts';

const name = 'web.demo.svc.hyperos.local A';

function recordOf(...endpoints: string[]): ServiceRecord {
  return readServiceRecord(sliceOf('demo/web', 'c1', endpoints), '') as ServiceRecord;
}

/** Objects in a file do not tell fields that are undefined from those that are not there. */
function asText(entries: Iterable<unknown> = []): string[] {
  return [...entries].map(entry => JSON.stringify(entry)).sort();
}

describe('a snapshot', () => {
  let directory = '';
  let path = '';

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'crossdns-'));
    path = join(directory, 'snapshot');
  });

  afterEach(() => rm(directory, { recursive: true }));

  async function written(): Promise<Catalog> {
    const { catalog } = new Served([
      importOf('demo/web', { ips: ['10.96.7.7'] }),
      sliceOf('demo/web', 'c1', ['10.1.0.1']),
      sliceOf('shop/db', 'c2', ['db-0=fd00::1@zone-a'], { ports: ['sql/tcp:5432'] }),
    ]);
    await writeSnapshot(path, catalog);
    return catalog;
  }

  it('has everything that was known', async () => {
    const catalog = await written();
    const snapshot = await readSnapshot(path);
    expect(asText(snapshot?.records)).to.eql(asText(catalog.entries()));
    expect(snapshot?.written).to.be.closeTo(Date.now(), 10_000);
    expect(await readdir(directory)).to.eql(['snapshot']);
  });

  it('gives back the same answers, until the sources say otherwise', async () => {
    const before = await written();
    const served = new Served([]);
    expect(await new SnapshotKeeper(path, served.catalog, silentLogger()).load()).to.equal(true);
    expect(served.data(name)).to.eql(['10.1.0.1']);
    const [key = ''] = [...before.entries()].find(([, record]) => record.kind === 'slice') ?? [];
    served.catalog.set(key, recordOf('10.1.0.2'));
    expect(served.data(name)).to.eql(['10.1.0.2']);
    expect(served.catalog.dropUnclaimed(), 'what no source has').to.equal(2);
    expect(served.data(name)).to.eql(['10.1.0.2']);
    expect(served.data('db.shop.svc.hyperos.local AAAA')).to.equal('NXDOMAIN');
  });

  it('does not take the place of what a source said before', async () => {
    await written();
    const served = new Served([sliceOf('demo/web', 'c1', ['10.1.0.9'])]);
    await new SnapshotKeeper(path, served.catalog, silentLogger()).load();
    expect(served.data(name)).to.eql(['10.1.0.9']);
  });

  it('is refused and moved aside where it is damaged, cut off, empty, or of another version', async () => {
    await written();
    const good = await readFile(path);
    const flipped = Buffer.from(good);
    flipped[100] = (flipped[100] ?? 0) ^ 1;
    for (const bad of [flipped, good.subarray(0, good.length - 100), Buffer.alloc(0), Buffer.from('x')]) {
      await writeFile(path, bad);
      const served = new Served([]);
      expect(await new SnapshotKeeper(path, served.catalog, silentLogger()).load()).to.equal(false);
      expect(served.catalog.size).to.equal(0);
      expect(await readdir(directory)).to.eql(['snapshot.refused']);
    }
  });

  it('is not there at the first start', async () => {
    expect(await new SnapshotKeeper(path, new Catalog(), silentLogger()).load()).to.equal(false);
  });

  it('is kept up, and behind nothing when it is told to stop', async () => {
    const { catalog } = new Served([]);
    const keeper = new SnapshotKeeper(path, catalog, silentLogger());
    const stop = new AbortController();
    const running = keeper.run(stop.signal);
    for (let i = 0; i < 100; i++) catalog.set(`k${i % 7}`, recordOf(`10.1.0.${i}`));
    stop.abort();
    await running;
    expect(asText((await readSnapshot(path))?.records)).to.eql(asText(catalog.entries()));
    expect(keeper.written).to.be.closeTo(Date.now(), 10_000);
  });

  it('that cannot be written is tried again, and stops nothing', async () => {
    const { catalog } = new Served([sliceOf('demo/web', 'c1', ['10.1.0.1'])]);
    const keeper = new SnapshotKeeper(join(directory, 'none', 'snapshot'), catalog, silentLogger());
    const stop = new AbortController();
    const running = keeper.run(stop.signal);
    stop.abort();
    await running;
    expect(keeper.written).to.equal(undefined);
  });
});
