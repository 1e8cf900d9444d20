import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { type ClientState, OvsdbClient } from './client.ts';
import { OutcomeUnknownError, TransactionError } from './errors.ts';
import type { OVNNorthboundDatabase } from './generated/ovn-northbound.ts';
import { type Cluster, startCluster } from './testing/ovsdb-server.ts';
import { eventually, sharedFile } from './testing/programs.ts';
import { Transaction } from './transaction.ts';
import { uuid } from './value.ts';

type DB = OVNNorthboundDatabase;

const transactions = Number(process.env.NAUTI_TRANSACTIONS ?? 3_000);
const kills = Number(process.env.NAUTI_LEADER_KILLS ?? 3);
const workers = 40;

/** Does something again until its outcome is known. A busy machine elects leaders without anybody being killed. */
async function untilKnown<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw error;
    }
  }
}

/** How often each switch is in the database. */
async function countSwitches(client: OvsdbClient<DB>): Promise<Map<string, number>> {
  const transaction = new Transaction<DB>();
  const selection = transaction.select('Logical_Switch', [], ['name']);
  const result = await untilKnown(() => client.transact(transaction));
  const counts = new Map<string, number>();
  for (const { name } of result.rows(selection)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

describe('a cluster of three real ovsdb-servers', function () {
  this.timeout(500_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster(3, { schema: sharedFile('ovn/ovn-nb.ovsschema') });
  });
  after(() => cluster[Symbol.asyncDispose]());

  const connect = (more: object = {}) =>
    new OvsdbClient<DB>({
      database: 'OVN_Northbound',
      endpoints: cluster.servers.map(server => server.endpoint),
      backoffMs: { first: 10, last: 100 },
      ...more,
    });

  it('is used at its leader, or anywhere where that is enough', async () => {
    const leader = await cluster.leader();
    await using client = connect();
    const state = await eventually('the leader', () => client.state.state === 'ready' && client.state);
    expect(state.endpoint).to.deep.equal(leader.endpoint);
    const followers = cluster.servers.filter(server => server !== leader);
    await using anywhere = connect({
      leaderOnly: false,
      endpoints: followers.map(server => server.endpoint),
    });
    expect((await anywhere.ready()).name).to.equal('OVN_Northbound');
    const transaction = new Transaction<DB>();
    transaction.insert('Logical_Switch', { name: 'by a follower' });
    await anywhere.transact(transaction);
    expect((await countSwitches(client)).get('by a follower')).to.equal(1);
  });

  it(`commits each of ${transactions} transactions once, or says that it cannot know, over ${kills} kills of the leader`, async () => {
    let connectionsLost = 0;
    let isReady = false;
    await using client = connect({
      onState: ({ state }: ClientState) => {
        if (isReady && state !== 'ready') connectionsLost++;
        isReady = state === 'ready';
      },
    });
    await using watcher = connect();
    const switches = watcher.monitor({ Logical_Switch: { columns: ['name'] } });
    await switches.synced();
    const outcomes = new Map<string, 'done' | 'unknown' | 'repeated'>();
    let next = 0;
    const work = async () => {
      while (next < transactions) {
        const name = `t${next++}`;
        const transaction = new Transaction<DB>();
        // With a UUID of its own: a server that loses its leadership and lives does transactions again by itself
        // (ovsdb-server's trigger.c), and could not tell otherwise that the first time counted.
        transaction.insert('Logical_Switch', { name }, uuid(randomUUID()));
        await client.transact(transaction).then(
          () => outcomes.set(name, 'done'),
          (error: unknown) => {
            const isRepeated = error instanceof TransactionError && error.tag === 'duplicate uuid';
            // Anything else would be an error of the client: no transaction here can be refused.
            if (!isRepeated) expect(error).to.be.instanceOf(OutcomeUnknownError);
            outcomes.set(name, isRepeated ? 'repeated' : 'unknown');
          },
        );
      }
    };
    const killer = async () => {
      for (let kill = 1; kill <= kills; kill++) {
        const due = (kill * transactions) / (kills + 1);
        await eventually('the transactions going on', () => outcomes.size >= due, 400_000);
        const leader = await cluster.leader();
        await leader.kill();
        await cluster.leader();
        await leader.start();
      }
    };
    await Promise.all([killer(), ...Array.from({ length: workers }, work)]);

    const counts = await countSwitches(client);
    const wrong = [...outcomes].filter(([name, outcome]) => {
      const count = counts.get(name) ?? 0;
      return outcome === 'unknown' ? count > 1 : count !== 1;
    });
    expect(wrong).to.deep.equal([]);
    const unknown = [...outcomes.values()].filter(outcome => outcome === 'unknown').length;
    expect(outcomes.size).to.equal(transactions);
    // Only what was under way when a connection ended may be unknown.
    expect(connectionsLost).to.be.at.least(kills);
    expect(unknown).to.be.at.most(connectionsLost * workers);
    process.stdout.write(
      `      ${transactions - unknown} done, ${unknown} unknown, ${connectionsLost} connections lost\n`,
    );

    const seen = () =>
      [...switches.replica.table('Logical_Switch').values()]
        .map(row => row.name)
        .sort()
        .join();
    const expected = [...counts]
      .flatMap(([name, count]) => Array<string>(count).fill(name))
      .sort()
      .join();
    await eventually('the replica being equal', () => seen() === expected);
  });

  it('is left by a client whose leader only stalls, while the others elect another', async () => {
    await using client = connect({ probeIntervalMs: 200, connectTimeoutMs: 1_000 });
    const switches = client.monitor({ Logical_Switch: { columns: ['name'] } });
    await switches.synced();
    const leader = await cluster.leader();
    leader.signal('SIGSTOP');
    try {
      await untilKnown(() => {
        const transaction = new Transaction<DB>();
        transaction.insert('Logical_Switch', { name: 'while it stalls' });
        return client.transact(transaction);
      });
      const state = client.state;
      expect(state.state === 'ready' && state.endpoint).to.not.deep.equal(leader.endpoint);
    } finally {
      leader.signal('SIGCONT');
    }
  });
});
