import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type ClientState, OvsdbClient } from './client.ts';
import type { Endpoint } from './endpoint.ts';
import { OutcomeUnknownError } from './errors.ts';
import type { OVNNorthboundDatabase } from './generated/ovn-northbound.ts';
import { makePki } from './testing/certificates.ts';
import { startStandalone } from './testing/ovsdb-server.ts';
import { eventually, freePort, runProgram, sharedFile } from './testing/programs.ts';
import { Transaction } from './transaction.ts';

type DB = OVNNorthboundDatabase;

const schema = sharedFile('ovn/ovn-nb.ovsschema');

function connect<T extends object = DB>(endpoints: readonly Endpoint[], more: object = {}): OvsdbClient<T> {
  const backoffMs = { first: 5, last: 50 };
  return new OvsdbClient<T>({ database: 'OVN_Northbound', endpoints, backoffMs, ...more });
}

function addSet<T extends DB>(client: OvsdbClient<T>, name: string): Promise<unknown> {
  const transaction = new Transaction<DB>();
  transaction.insert('Address_Set', { name });
  return client.transact(transaction as unknown as Transaction<T>);
}

describe('a real ovsdb-server that changes, stalls or turns its certificates', function () {
  this.timeout(120_000);

  it('takes up a new schema without leaving the connection', async () => {
    await using server = await startStandalone({ schema });
    interface Upgraded extends DB {
      readonly Address_Set: DB['Address_Set'] & { readonly color: string };
    }
    const states: ClientState['state'][] = [];
    await using client = connect<Upgraded>([server.endpoint], {
      onState: (state: ClientState) => states.push(state.state),
    });
    const sets = client.monitor({ Address_Set: { columns: ['name', 'addresses'] } });
    const colors = client.monitor({ Address_Set: { columns: ['color'] } });
    await sets.synced();
    await addSet(client, 'before');
    expect(String(await colors.synced().catch((error: unknown) => error))).to.contain(
      'Address_Set.color as OVN_Northbound',
    );

    const upgraded = JSON.parse(await readFile(schema, 'utf8')) as {
      version: string;
      tables: Record<string, { columns: Record<string, unknown> }>;
    };
    upgraded.version = '99.0.0';
    const table = upgraded.tables.Address_Set;
    if (table !== undefined) table.columns.color = { type: 'string' };
    const path = join(server.directory, 'upgraded.ovsschema');
    await writeFile(path, JSON.stringify(upgraded));
    const traffic = (async () => {
      const outcomes = new Map<string, string>();
      for (let i = 0; i < 200; i++) {
        const name = `during${i}`;
        outcomes.set(name, await addSet(client, name).then(() => 'done', String));
      }
      return outcomes;
    })();
    const socket = server.endpoint.kind === 'unix' ? `unix:${server.endpoint.path}` : '';
    await runProgram('ovsdb-client', 'convert', socket, path);
    await eventually('the new schema', async () => (await client.ready()).version === '99.0.0');
    const outcomes = await traffic;

    const transaction = new Transaction<Upgraded>();
    transaction.insert('Address_Set', { name: 'after', color: 'red' });
    await client.transact(transaction);
    await colors.synced();
    expect([...colors.replica.table('Address_Set').values()].map(row => row.color)).to.include('red');
    // What was not done was refused with the reason, as the conversion cancelled it.
    const there = new Set([...sets.replica.table('Address_Set').values()].map(row => row.name));
    expect(there.has('before') && there.has('after')).to.equal(true);
    for (const [name, outcome] of outcomes)
      expect(`${name} ${there.has(name)}`).to.equal(`${name} ${outcome === 'done'}`);
    expect(states).to.not.include('waiting');
    expect(states.filter(state => state === 'ready')).to.have.length(2);
  });

  it('is left while it stalls, and used again when it goes on', async () => {
    await using server = await startStandalone({ schema });
    const states: ClientState[] = [];
    await using client = connect([server.endpoint], {
      probeIntervalMs: 150,
      connectTimeoutMs: 300,
      onState: (state: ClientState) => states.push(state),
    });
    const sets = client.monitor({ Address_Set: { columns: ['name'] } });
    await sets.synced();
    await addSet(client, 'before');
    server.signal('SIGSTOP');
    const begin = performance.now();
    const outcome = await addSet(client, 'meanwhile').catch((error: unknown) => error);
    expect(performance.now() - begin).to.be.within(250, 20_000);
    expect(outcome).to.be.instanceOf(OutcomeUnknownError);
    expect(sets.isFollowing).to.equal(false);
    expect(sets.replica.table('Address_Set').size).to.equal(1);
    const waiting = addSet(client, 'after');
    await eventually('a failed attempt', () => states.some(({ state }) => state === 'waiting'));
    server.signal('SIGCONT');
    await waiting;
    const names = () => new Set([...sets.replica.table('Address_Set').values()].map(row => row.name));
    await eventually('the replica following', () => names().has('after'));
    // It had reached the server, which did it when it went on: unknown was the truth.
    expect(names().has('meanwhile')).to.equal(true);
  });

  it('is asked by TLS for a name, for both certificates, and again with rotated ones', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ovsdb-pki-'));
    try {
      const pki = await makePki(directory, 'ovn-nb.example');
      const port = await freePort();
      const tls = { ca: pki.ca, cert: pki.clientCert, key: pki.clientKey };
      await using server = await startStandalone({
        schema,
        args: [
          `--remote=pssl:${port}:127.0.0.1`,
          `--private-key=${pki.serverKey}`,
          `--certificate=${pki.serverCert}`,
          `--ca-cert=${pki.ca}`,
        ],
      });
      const endpoint: Endpoint = { kind: 'ssl', host: '127.0.0.1', port };
      const reason = async (options: object) => {
        await using client = connect([endpoint], options);
        const state = await eventually('an attempt', () => {
          const { state } = client;
          return state.state === 'waiting' || state.state === 'ready' ? client.state : undefined;
        });
        return state.state === 'waiting'
          ? `${state.error.message}: ${String(state.error.cause)}`
          : state.state;
      };
      expect(await reason({ tls: { ...tls, serverName: 'ovn-nb.example' } })).to.equal('ready');
      expect(await reason({ tls: { ...tls, serverName: false } })).to.equal('ready');
      expect(await reason({ tls })).to.match(/Hostname\/IP does not match|IP: 127.0.0.1 is not in the cert/);
      expect(await reason({ tls: { ...tls, serverName: 'other.example' } })).to.contain('other.example');
      expect(await reason({ tls: { ca: pki.ca, serverName: false } })).to.not.equal('ready');
      expect(await reason({})).to.contain('the option "tls" must be given');
      const stranger = await mkdtemp(join(directory, 'stranger-'));
      const other = await makePki(stranger, 'ovn-nb.example');
      expect(await reason({ tls: { ...tls, ca: other.ca, serverName: false } })).to.match(/certificate/i);

      await using client = connect([endpoint], { tls: { ...tls, serverName: 'ovn-nb.example' } });
      await addSet(client, 'before');
      await makePki(directory, 'ovn-nb.example');
      await server.kill();
      await server.start();
      await eventually('coming back with the new certificates', () =>
        addSet(client, 'after').then(
          () => true,
          () => false,
        ),
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
