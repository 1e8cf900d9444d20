import { expect } from 'chai';
import { OvsdbClient } from './client.ts';
import type { Endpoint } from './endpoint.ts';
import type { OVNNorthboundDatabase } from './generated/ovn-northbound.ts';
import { type OvsdbServer, startCluster, startStandalone } from './testing/ovsdb-server.ts';
import { eventually, sharedFile } from './testing/programs.ts';
import { OvsdbProxy } from './testing/proxy.ts';
import { withSeed } from './testing/random.ts';
import { Transaction } from './transaction.ts';

type DB = OVNNorthboundDatabase;

const schema = sharedFile('ovn/ovn-nb.ovsschema');
const columns = [
  'name',
  'addresses',
  'port_security',
  'external_ids',
  'options',
  'tag',
  'enabled',
  'up',
] as const;
const request = {
  Logical_Switch_Port: { columns, indexes: { byName: (row: { name: string }) => [row.name] } },
  Logical_Switch: { columns: ['name', 'ports', 'external_ids'] },
} as const;

function connect(endpoints: readonly Endpoint[], more: object = {}): OvsdbClient<DB> {
  const backoffMs = { first: 5, last: 50 };
  return new OvsdbClient<DB>({ database: 'OVN_Northbound', endpoints, backoffMs, ...more });
}

/** A transaction of random changes to ports of the switch `s`. */
function randomChange(random: (below: number) => number): Transaction<DB> {
  const transaction = new Transaction<DB>();
  for (let i = 1 + random(4); i > 0; i--) {
    const name = `p${random(40)}`;
    const where = [['name', '==', name]] as const;
    const text = () => `v${random(5)}`;
    switch (random(7)) {
      case 0:
      case 1: {
        // An existing name would fail the whole transaction.
        transaction.wait('Logical_Switch_Port', where, ['name'], '==', []);
        const port = transaction.insert('Logical_Switch_Port', {
          name,
          addresses: [text(), text()]
            .slice(0, random(3))
            .filter((value, index, all) => all.indexOf(value) === index),
          external_ids: { a: text(), b: text() },
        });
        transaction.mutate('Logical_Switch', [['name', '==', 's']], [['ports', 'insert', [port]]]);
        break;
      }
      case 2:
        transaction.mutate('Logical_Switch_Port', where, [
          ['addresses', random(2) === 0 ? 'insert' : 'delete', [text()]],
        ]);
        break;
      case 3:
        transaction.mutate('Logical_Switch_Port', where, [
          ['external_ids', 'delete', [random(2) === 0 ? 'a' : 'b']],
        ]);
        break;
      case 4:
        transaction.update('Logical_Switch_Port', where, {
          external_ids: { a: text(), [text()]: text() },
          tag: random(2) === 0 ? undefined : 1 + random(9),
        });
        break;
      case 5:
        transaction.update('Logical_Switch_Port', where, {
          addresses: [`only ${text()}`],
          enabled: [true, false, undefined][random(3)],
        });
        break;
      default:
        transaction.mutate(
          'Logical_Switch',
          [['name', '==', 's']],
          [['external_ids', 'insert', { [text()]: text() }]],
        );
    }
  }
  return transaction;
}

/** Rows in a form that does not depend on the order in sets and maps. */
function canonical(rows: Iterable<object>): string[] {
  return [...rows]
    .map(row =>
      JSON.stringify(
        Object.entries(row)
          .filter(([name]) => name !== '_uuid')
          .map(([name, value]) => [
            name,
            value instanceof Map ? [...value].sort() : Array.isArray(value) ? [...value].sort() : value,
          ])
          .sort(),
      ),
    )
    .sort();
}

async function selected(
  client: OvsdbClient<DB>,
  where: readonly ['tag', '>=', number][] = [],
): Promise<string[]> {
  const transaction = new Transaction<DB>();
  const ports = transaction.select('Logical_Switch_Port', where, columns);
  return canonical((await client.transact(transaction)).rows(ports));
}

async function makeSwitch(client: OvsdbClient<DB>): Promise<void> {
  const transaction = new Transaction<DB>();
  transaction.insert('Logical_Switch', { name: 's' });
  await client.transact(transaction);
}

describe('replicas of a real ovsdb-server', function () {
  this.timeout(180_000);

  for (const refused of [[], ['monitor_cond_since'], ['monitor_cond_since', 'monitor_cond']]) {
    const method =
      refused.length === 0 ? 'monitor_cond_since' : refused.length === 1 ? 'monitor_cond' : 'monitor';
    it(`are equal to it after random changes and cut connections, by ${method}`, () =>
      withSeed(async random => {
        await using server = await startStandalone({ schema });
        await using proxy = new OvsdbProxy(server.endpoint);
        for (const name of refused) proxy.refused.add(name);
        await using writer = connect([server.endpoint]);
        await using reader = connect([await proxy.listen()]);
        await makeSwitch(writer);
        const all = reader.monitor(request);
        const tagged = reader.monitor({ Logical_Switch_Port: { columns, where: [['tag', '>=', 5]] } });
        const followed = new Map<string, unknown>();
        all.replica.subscribe(changes => {
          for (const { uuid, before, after } of changes) {
            expect(followed.get(uuid)).to.equal(before);
            if (after === undefined) followed.delete(uuid);
            else followed.set(uuid, after);
          }
        });
        await Promise.all([all.synced(), tagged.synced()]);
        for (let round = 0; round < 12; round++) {
          if (round % 4 === 3) proxy.cut();
          const changes = Array.from({ length: 60 }, () =>
            writer.transact(randomChange(random)).catch(() => {}),
          );
          await Promise.all(changes);
          const expected = await selected(writer);
          const ports = all.replica.table('Logical_Switch_Port');
          await eventually(
            'the replica being equal',
            () => canonical(ports.values()).join() === expected.join(),
          );
          const some = await selected(writer, [['tag', '>=', 5]]);
          const kept = tagged.replica.table('Logical_Switch_Port');
          await eventually('the conditional replica being equal', () => {
            const rows = [...kept.values()].map(row =>
              Object.fromEntries(columns.map(name => [name, row[name]])),
            );
            return canonical(rows).join() === some.join();
          });
          for (const row of ports.values()) expect(ports.find('byName', row.name)).to.deep.equal([row]);
        }
        expect(followed.size).to.equal(
          all.replica.table('Logical_Switch_Port').size + all.replica.table('Logical_Switch').size,
        );
        expect(proxy.connections).to.be.at.least(4);
      }));

    it(`change their conditions while connected, by ${method}`, async () => {
      await using server = await startStandalone({ schema });
      await using proxy = new OvsdbProxy(server.endpoint);
      for (const name of refused) proxy.refused.add(name);
      await using client = connect([await proxy.listen()]);
      const make = new Transaction<DB>();
      for (const name of ['a', 'b', 'c']) make.insert('Address_Set', { name, external_ids: { of: name } });
      await client.transact(make);
      const sets = client.monitor({ Address_Set: { columns: ['name'], where: [['name', '==', 'a']] } });
      await sets.synced();
      const names = () =>
        [...sets.replica.table('Address_Set').values()]
          .map(row => row.name)
          .sort()
          .join();
      expect(names()).to.equal('a');
      const told: string[] = [];
      sets.replica.subscribe(changes => {
        told.push(...changes.map(({ before, after }) => `${before?.name ?? ''}→${after?.name ?? ''}`));
      });
      await sets.changeConditions('Address_Set', [
        ['name', '==', 'b'],
        ['external_ids', 'includes', { of: 'c' }],
      ]);
      expect(names()).to.equal('b,c');
      expect(told.sort()).to.deep.equal(['a→', '→b', '→c']);
      proxy.cut();
      await sets.changeConditions('Address_Set', [false]);
      await eventually('the last conditions', () => names() === '');
      await sets.cancel();
    });
  }

  it('show what a transaction did when it resolves', async () => {
    await using server = await startStandalone({ schema });
    await using client = connect([server.endpoint]);
    const sets = client.monitor({ Address_Set: { columns: ['name'] } });
    await sets.synced();
    for (let i = 0; i < 200; i++) {
      const transaction = new Transaction<DB>();
      transaction.insert('Address_Set', { name: `s${i}` });
      await client.transact(transaction);
      expect(sets.replica.table('Address_Set').size).to.equal(i + 1);
    }
  });

  it('tell only of differences when a standalone server comes back, and resume on a clustered one', async () => {
    const cluster = await startCluster(1, { schema });
    await using _ = cluster;
    await using standalone = await startStandalone({ schema });
    for (const server of [standalone, ...cluster.servers] as OvsdbServer[]) {
      await using proxy = new OvsdbProxy(server.endpoint);
      await using writer = connect([server.endpoint]);
      await using reader = connect([await proxy.listen()]);
      const fill = new Transaction<DB>();
      for (let i = 0; i < 2_000; i++) fill.insert('Address_Set', { name: `s${i}` });
      await writer.transact(fill);
      const sets = reader.monitor({ Address_Set: { columns: ['name', 'addresses'] } });
      await sets.synced();
      const told: string[] = [];
      sets.replica.subscribe(changes => told.push(...changes.map(change => change.after?.name ?? 'gone')));
      proxy.refused.add('get_schema');
      proxy.cut();
      const change = new Transaction<DB>();
      change.update('Address_Set', [['name', '==', 's7']], { addresses: ['10.0.0.1'] });
      await writer.transact(change);
      proxy.refused.clear();
      await eventually('the change', () => told.length > 0);
      expect(told).to.deep.equal(['s7']);
    }
  });
});
