import { expect } from 'chai';
import { OvsdbClient } from './client.ts';
import type { Endpoint } from './endpoint.ts';
import {
  DisconnectedError,
  OutcomeUnknownError,
  OverloadedError,
  TransactionError,
  UnknownColumnError,
} from './errors.ts';
import { FakeServer, type Handler, sampleHandler } from './testing/fake-server.ts';
import { eventually } from './testing/programs.ts';
import { Transaction } from './transaction.ts';
import type { Uuid } from './value.ts';

interface Sample {
  readonly Thing: {
    readonly _uuid: Uuid;
    readonly name: string;
    readonly count: number;
    readonly tags: readonly string[];
    readonly options: ReadonlyMap<string, string>;
  };
}

const a = '00000000-0000-0000-0000-00000000000a' as Uuid;
const b = '00000000-0000-0000-0000-00000000000b' as Uuid;

function connect(endpoint: Endpoint, more: object = {}): OvsdbClient<Sample> {
  return new OvsdbClient<Sample>({
    database: 'Sample',
    endpoints: [endpoint],
    backoffMs: { first: 5, last: 20 },
    ...more,
  });
}

function rename(name: string): Transaction<Sample> {
  const transaction = new Transaction<Sample>();
  transaction.update('Thing', [], { name });
  return transaction;
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A server and a client of it. */
async function pair(handler: Handler, more: object = {}) {
  const server = new FakeServer(handler);
  const client = connect(await server.listen(), more);
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe('client', () => {
  it('answers an echo of the server, and refuses other requests of it', async () => {
    await using both = await pair(sampleHandler());
    await both.client.ready();
    both.server.guests[0]?.send({ method: 'echo', params: ['x'], id: 'probe' });
    both.server.guests[0]?.send({ method: 'format_disk', params: [], id: 7 });
    const answers = await eventually('the answers', () => {
      const found = both.server.received.filter(message => message.method === undefined);
      return found.length === 2 && found;
    });
    expect(answers).to.deep.equal([
      { result: ['x'], error: null, id: 'probe' },
      { result: null, error: { error: 'unknown method' }, id: 7 },
    ]);
  });

  it('probes a silent server and leaves it when it stays silent', async () => {
    const silent = new Set<unknown>();
    await using both = await pair(
      (method, params, guest, id) =>
        silent.has(guest) ? undefined : sampleHandler()(method, params, guest, id),
      { probeIntervalMs: 100 },
    );
    await both.client.ready();
    await eventually('a probe', () => both.server.methods().includes('echo'));
    expect(both.client.state.state).to.equal('ready');
    silent.add(both.server.guests[0]);
    await eventually('another connection', () => both.server.guests.length === 2);
    await both.client.ready();
  });

  it('takes no silence of its own for one of the server', async () => {
    let stalls = 0;
    await using both = await pair(
      (method, params, guest, id) => {
        // The server is of this process: the client stands still with it, the answer comes right after.
        const end = performance.now() + (method === 'echo' ? 100 : 0);
        while (performance.now() < end);
        if (method === 'echo') stalls++;
        return sampleHandler()(method, params, guest, id);
      },
      { probeIntervalMs: 20 },
    );
    await both.client.ready();
    await eventually('some stalls', () => stalls >= 5);
    expect(both.client.state.state).to.equal('ready');
    expect(both.server.guests).to.have.length(1);
  });

  it('falls back from monitor_cond_since to monitor_cond to monitor, and judges conditions itself then', async () => {
    await using both = await pair(
      sampleHandler((method, params) => {
        if (method !== 'monitor') return undefined;
        const requests = params[2] as { Thing: [{ columns: string[] }] };
        expect(requests.Thing[0]).to.deep.equal({ columns: ['name', 'count'] });
        return {
          result: {
            Thing: { [a]: { new: { name: 'low', count: 1 } }, [b]: { new: { name: 'high', count: 9 } } },
          },
        };
      }),
    );
    const things = both.client.monitor({ Thing: { columns: ['name'], where: [['count', '>', 5]] } });
    await things.synced();
    const names = () => [...things.replica.table('Thing').values()].map(row => row.name).sort();
    expect(names()).to.deep.equal(['high']);
    expect(both.server.methods().filter(method => method?.startsWith('monitor'))).to.deep.equal([
      'monitor_cond_since',
      'monitor_cond',
      'monitor',
    ]);
    const update = {
      [a]: { old: { count: 1 }, new: { name: 'low', count: 7 } },
      [b]: { old: { name: 'high', count: 9 } },
    };
    both.server.guests[0]?.send({ method: 'update', params: ['monitor-1', { Thing: update }], id: null });
    await eventually('the update', () => names().join() === 'low');
  });

  it('keeps updates back that come before the first rows', async () => {
    const update = (difference: object) => ({
      method: 'update3',
      params: ['monitor-1', '00000000-0000-0000-0000-000000000002', { Thing: difference }],
      id: null,
    });
    await using both = await pair(
      sampleHandler((method, _, guest) => {
        if (method !== 'monitor_cond_since') return undefined;
        guest.send(
          update({ [a]: { modify: { tags: ['set', ['x', 'y']] } }, [b]: { insert: { name: 'b' } } }),
        );
        guest.send(update({ [b]: { delete: null } }));
        return {
          result: [
            false,
            '00000000-0000-0000-0000-000000000001',
            { Thing: { [a]: { initial: { tags: 'x' } } } },
          ],
        };
      }),
    );
    const things = both.client.monitor({ Thing: { columns: ['name', 'tags'] } });
    const seen: string[] = [];
    things.replica.subscribe(changes => seen.push(changes.map(change => change.uuid).join()));
    await things.synced();
    expect([...things.replica.table('Thing').values()]).to.deep.equal([{ _uuid: a, name: '', tags: ['y'] }]);
    expect(seen).to.deep.equal([a, `${a},${b}`, b]);
  });

  it('resumes where it was, and reads all anew where the server does not know that any more', async () => {
    const asked: unknown[] = [];
    const results = [
      [
        false,
        '00000000-0000-0000-0000-000000000001',
        { Thing: { [a]: { initial: { name: 'a' } }, [b]: { initial: { name: 'b' } } } },
      ],
      [true, '00000000-0000-0000-0000-000000000003', { Thing: { [a]: { modify: { name: 'A' } } } }],
      [false, '00000000-0000-0000-0000-000000000009', { Thing: { [a]: { initial: { name: 'A' } } } }],
    ];
    await using both = await pair(
      sampleHandler((method, params) => {
        if (method !== 'monitor_cond_since') return undefined;
        return { result: results[asked.push(params[3]) - 1] };
      }),
    );
    const things = both.client.monitor({ Thing: { columns: ['name'] } });
    const names = () => [...things.replica.table('Thing').values()].map(row => row.name).join();
    const changes: unknown[] = [];
    await things.synced();
    things.replica.subscribe(list =>
      changes.push(...list.map(({ before, after }) => [before?.name, after?.name])),
    );
    both.server.guests[0]?.hangUp();
    await eventually('resuming', () => names() === 'A,b');
    both.server.guests[1]?.hangUp();
    await eventually('reading anew', () => names() === 'A');
    expect(asked.map(id => String(id).slice(-1))).to.deep.equal(['0', '1', '3']);
    expect(changes).to.deep.equal([
      ['a', 'A'],
      ['b', undefined],
    ]);
  });

  it('says of each transaction whether it was refused, or that it cannot know', async () => {
    await using both = await pair(
      sampleHandler((method, params, guest) => {
        if (method !== 'transact') return undefined;
        const [, operation] = params as [string, { row: { name: string } }];
        if (operation.row.name === 'lost') guest.hangUp();
        if (operation.row.name === 'refused')
          return { result: [{ error: 'constraint violation', details: 'no' }] };
        if (operation.row.name === 'late')
          return { result: [{ count: 1 }, { error: 'referential integrity violation' }] };
        return operation.row.name === 'lost' ? undefined : { result: [{ count: 3 }] };
      }),
    );
    expect((await both.client.transact(rename('x'))).count(0)).to.equal(3);
    const refused = await failure(both.client.transact(rename('refused')));
    expect(refused).to.be.instanceOf(TransactionError);
    expect(refused).to.include({ tag: 'constraint violation', details: 'no', operation: 0 });
    expect(String(refused)).to.equal(
      'TransactionError: update of Thing (operation 0) failed: constraint violation (no)',
    );
    const late = await failure(both.client.transact(rename('late')));
    expect(late).to.include({ tag: 'referential integrity violation', operation: undefined });
    expect(await failure(both.client.transact(rename('lost')))).to.be.instanceOf(OutcomeUnknownError);
    expect((await both.client.transact(rename('x'))).count(0)).to.equal(3);
  });

  it('sends a transaction that was given up to be cancelled', async () => {
    await using both = await pair(sampleHandler());
    const stop = new AbortController();
    const result = failure(both.client.transact(rename('x'), { signal: stop.signal }));
    await eventually('the transaction being sent', () => both.server.methods().includes('transact'));
    stop.abort(new Error('enough'));
    expect(await result).to.include({ message: 'enough' });
    await eventually('the cancel', () => both.server.methods().includes('cancel'));
    expect(await failure(both.client.transact(rename('y'), { signal: stop.signal }))).to.include({
      message: 'enough',
    });
    expect(both.server.methods().filter(method => method === 'transact')).to.have.length(1);
  });

  it('refuses further requests while too much waits to be sent', async () => {
    await using both = await pair(sampleHandler(), { maxQueuedBytes: 1_000 });
    await both.client.ready();
    const results: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      void failure(both.client.transact(rename('x'.repeat(5_000)))).then(error => results.push(error));
    }
    await eventually('a refusal', () => results.some(error => error instanceof OverloadedError));
  });

  it('fails a monitor whose column does not exist, and only that', async () => {
    await using both = await pair(
      sampleHandler(method => (method === 'monitor_cond_since' ? { result: [false, a, {}] } : undefined)),
    );
    const wrong = both.client.monitor({ Thing: { columns: ['nonsense' as 'name'] } });
    const right = both.client.monitor({ Thing: { columns: ['name'] } });
    await right.synced();
    expect(await failure(wrong.synced())).to.be.instanceOf(UnknownColumnError);
    expect(both.client.state.state).to.equal('ready');
  });

  const hostile: readonly (readonly [string, string | object])[] = [
    ['no JSON', '{"a":}'],
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n'],
    ['a message of no kind', { id: null }],
    ['params that are no list', { method: 'update3', params: {}, id: null }],
    ['updates of no table', { method: 'update3', params: ['monitor-1', a, 5], id: null }],
    [
      'a difference of an unknown row',
      { method: 'update3', params: ['monitor-1', a, { Thing: { [a]: { modify: {} } } }], id: null },
    ],
    [
      'a value of the wrong type',
      { method: 'update3', params: ['monitor-1', a, { Thing: { [a]: { insert: { name: 5 } } } }], id: null },
    ],
  ];
  for (const [what, message] of hostile) {
    it(`leaves a server that sends ${what}, and comes back`, async () => {
      await using both = await pair(
        sampleHandler(method => (method === 'monitor_cond_since' ? { result: [false, a, {}] } : undefined)),
      );
      await both.client.monitor({ Thing: { columns: ['name'] } }).synced();
      both.server.guests[0]?.sendBytes(typeof message === 'string' ? message : JSON.stringify(message));
      await eventually('a second connection', () => both.server.guests.length === 2);
      await both.client.ready();
    });
  }

  it('ignores what it did not ask for', async () => {
    await using both = await pair(sampleHandler());
    await both.client.ready();
    const guest = both.server.guests[0];
    guest?.send({ id: 999_999, result: 1, error: null });
    guest?.send({ id: 'x', result: 1, error: null });
    guest?.send({ method: 'update3', params: ['other', a, { Thing: {} }], id: null });
    guest?.send({ method: 'locked', params: ['other'], id: null });
    guest?.send({ method: 'gossip', params: [], id: null });
    guest?.send({ method: 'echo', params: [], id: 'end' });
    await eventually('the echo', () => both.server.received.some(message => message.id === 'end'));
    expect(both.server.guests).to.have.length(1);
  });

  it('gives up what waits when it is closed', async () => {
    const client = connect({ kind: 'unix', path: '/nonexistent/socket' });
    const waiting = [
      failure(client.ready()),
      failure(client.transact(rename('x'))),
      failure(client.monitor({}).synced()),
    ];
    await eventually('a pause', () => client.state.state === 'waiting');
    await client.close();
    for (const error of await Promise.all(waiting)) expect(error).to.be.instanceOf(DisconnectedError);
    expect(client.state).to.deep.equal({ state: 'closed' });
    expect(await failure(client.ready())).to.be.instanceOf(DisconnectedError);
  });
});
