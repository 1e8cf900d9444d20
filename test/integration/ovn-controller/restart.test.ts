import { expect } from 'chai';
import { Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { until } from '../../../lab/until.ts';
import { type RunningController, startWorld, type World } from './world.ts';

type DB = OVNNorthboundDatabase;

/** Pods that are there when a controller starts. */
const count = Number(process.env.NAUTI_RESTART_PODS ?? 2_000);

describe('an ovn-controller that starts', function () {
  this.timeout(180_000 + count * 50);
  let world: World;
  let namespace: string;

  before(async function () {
    this.timeout(180_000);
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());
  beforeEach(async () => {
    namespace = await world.namespace();
  });
  afterEach(async () => {
    await world.stopControllers();
    await world.deleteAllPods();
  });

  /** All that a controller writes from now on: API requests that are no reads, and operations of OVSDB that change. */
  function writesOf({ apiProxy, ovnProxy }: RunningController): string[] {
    const writes: string[] = [];
    apiProxy.decide = ({ method, path }) => {
      if (method !== 'GET') writes.push(`${method} ${path.split('?')[0]}`);
      return undefined;
    };
    ovnProxy.onRequest = (method, params) => {
      if (method !== 'transact') return;
      for (const { op, table } of params.slice(1) as { op: string; table: string }[])
        if (op !== 'wait') writes.push(`${op} ${table}`);
    };
    return writes;
  }

  /** What nobody may have touched: versions of all pods, and all ports. */
  async function fingerprint(): Promise<string> {
    const versions = [...(await world.allPods())].map(([key, { metadata }]) => [
      key,
      metadata.resourceVersion,
    ]);
    return JSON.stringify([versions.sort(), (await world.ports()).map(port => JSON.stringify(port)).sort()]);
  }

  it(`with ${count} pods that are as they should be writes nothing but its token, once`, async () => {
    const first = await world.start({ isolation: true });
    await world.createPods(namespace, count);
    await world.settled(count, 60_000);
    await first.stop();
    const before = await fingerprint();

    const startedAt = performance.now();
    const second = await world.start({ isolation: true });
    const writes = writesOf(second);
    // A pod that comes last is served last: everything else was looked at by then.
    await until(() => second.controller.readiness === true, {
      what: 'its caches',
      timeout: 60_000,
      interval: 5,
    });
    const after = await fingerprint();
    await world.createPod(namespace, 'last');
    await world.allocated(namespace, 'last');
    process.stdout.write(`      all was looked at after ${Math.round(performance.now() - startedAt)} ms\n`);
    expect(after).to.equal(before);
    expect(writes).to.deep.equal([
      // The token on the switch, by which an earlier writer is fenced off.
      'mutate Logical_Switch',
      'insert Logical_Switch_Port',
      'mutate Logical_Switch',
      `PATCH /api/v1/namespaces/${namespace}/pods/last`,
    ]);
    await world.deletePod(namespace, 'last');
    await until(async () => (await fingerprint()) === before, {
      what: 'all being as before',
      timeout: 60_000,
    });
  });

  it('repairs what was lost meanwhile, on either side', async () => {
    const first = await world.start();
    for (const name of ['portless', 'bare', 'gone', 'twice', 'fine']) await world.createPod(namespace, name);
    const before = new Map(
      [...(await world.settled(5))].map(([key, { metadata }]) => [key, metadata.annotations]),
    );
    await first.stop();

    await world.annotate(namespace, 'bare', {
      'nauti.io/ip_address': null,
      'nauti.io/mac_address': null,
      'nauti.io/allocated': null,
    });
    await world.deletePod(namespace, 'gone');
    const lost = await uuidOf(`portless.${namespace}`);
    const meddling = new Transaction<DB>();
    meddling.mutate('Logical_Switch', [['name', '==', 'default']], [['ports', 'delete', [lost]]]);
    const ids = { vendor: 'nauti', ls: 'default' };
    const added = [
      // A second port of a pod, a port of a pod that never was, and one that is not ours.
      meddling.insert('Logical_Switch_Port', {
        ...{ name: 'copy', addresses: ['0a:58:0a:71:09:09 10.113.9.9'] },
        external_ids: { ...ids, pod: `${namespace}/twice` },
      }),
      meddling.insert('Logical_Switch_Port', {
        ...{ name: 'orphan', addresses: ['0a:58:0a:71:09:0a 10.113.9.10'] },
        external_ids: { ...ids, pod: `${namespace}/never` },
      }),
      meddling.insert('Logical_Switch_Port', {
        name: 'foreign',
        addresses: ['02:00:00:00:00:09 10.113.9.11'],
      }),
    ];
    meddling.mutate('Logical_Switch', [['name', '==', 'default']], [['ports', 'insert', added]]);
    await world.ovn.nb.transact(meddling);

    try {
      await world.start();
      await until(
        async () => {
          const names = (await world.ports()).map(({ name }) => name).sort();
          const wanted = [
            'foreign',
            ...['bare', 'fine', 'portless', 'twice'].map(name => `${name}.${namespace}`),
          ];
          return names.join() === wanted.sort().join();
        },
        { what: 'the ports being those of the pods', timeout: 60_000 },
      );
      await world.allocated(namespace, 'bare');
      for (const [key, { metadata }] of await world.allPods())
        expect(metadata.annotations, key).to.deep.equal(before.get(key));
    } finally {
      const removal = new Transaction<DB>();
      removal.mutate('Logical_Switch', [], [['ports', 'delete', [await uuidOf('foreign')]]]);
      await world.ovn.nb.transact(removal);
    }
  });

  it('gives all pods their addresses back where OVN lost everything', async () => {
    const first = await world.start();
    await world.createPods(namespace, 100);
    const before = await world.settled(100);
    await first.stop();
    await world.ovn.loseNorthbound();
    await world.start();
    const after = await world.settled(100);
    for (const [key, { metadata }] of after)
      expect(metadata.annotations).to.deep.equal(before.get(key)?.metadata.annotations);
  });

  it('of two pods that show one address believes the older, and gives the other another', async () => {
    const first = await world.start();
    await world.createPod(namespace, 'older');
    const { 'nauti.io/ip_address': address = '' } = await world.allocated(namespace, 'older');
    await first.stop();
    await world.ovn.loseNorthbound();
    // Creation times have whole seconds.
    await until(() => Date.now() % 1_000 < 100, { what: 'another second', timeout: 60_000, interval: 10 });
    const annotations = { 'nauti.io/ip_address': address, 'nauti.io/allocated': 'true' };
    await world.createPod(namespace, 'younger', { metadata: { annotations } });
    await world.start();
    const all = await world.settled(2);
    expect(all.get(`${namespace}/older`)?.metadata.annotations?.['nauti.io/ip_address']).to.equal(address);
    expect(all.get(`${namespace}/younger`)?.metadata.annotations?.['nauti.io/ip_address']).to.not.equal(
      address,
    );
  });

  async function uuidOf(name: string) {
    const look = new Transaction<DB>();
    const found = look.select('Logical_Switch_Port', [['name', '==', name]], ['_uuid']);
    const [row] = (await world.ovn.nb.transact(look)).rows(found);
    if (row === undefined) throw new Error(`no port ${name}`);
    return row._uuid;
  }
});
