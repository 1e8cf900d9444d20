import { expect } from 'chai';
import { OvsdbClient } from './client.ts';
import { ColumnTypeError, RequestError, TransactionError } from './errors.ts';
import type { OVNNorthboundDatabase } from './generated/ovn-northbound.ts';
import { startStandalone } from './testing/ovsdb-server.ts';
import { eventually, sharedFile, versionOf } from './testing/programs.ts';
import { Transaction } from './transaction.ts';
import { uuid } from './value.ts';

type DB = OVNNorthboundDatabase;

describe('transactions and locks on a real ovsdb-server', () => {
  let server: Awaited<ReturnType<typeof startStandalone>>;
  let client: OvsdbClient<DB>;
  const connect = () => new OvsdbClient<DB>({ database: 'OVN_Northbound', endpoints: [server.endpoint] });

  before(async () => {
    server = await startStandalone({ schema: sharedFile('ovn/ovn-nb.ovsschema') });
    client = connect();
    process.stdout.write(`    on ${await versionOf('ovsdb-server')}\n`);
  });
  after(async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  });

  async function refusal(build: (transaction: Transaction<DB>) => void): Promise<unknown> {
    const transaction = new Transaction<DB>();
    build(transaction);
    return client.transact(transaction).then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  it('inserts rows that refer to each other, and reads, changes and deletes them', async () => {
    const transaction = new Transaction<DB>();
    const port = transaction.insert('Logical_Switch_Port', {
      name: 'web-0.demo',
      addresses: ['0a:58:0a:71:00:05 10.113.0.5'],
      external_ids: { pod: 'demo/web-0' },
      tag: 7,
    });
    const known = uuid('0b6f8b2c-8f2e-4d8a-9d5e-0123456789ab');
    transaction.insert('Logical_Switch', { name: 'default', ports: [port] }, known);
    transaction.comment('two rows');
    transaction.commit(true);
    const inserted = await client.transact(transaction);
    expect(inserted.uuidOf(port)).to.match(/^[0-9a-f-]{36}$/);

    const change = new Transaction<DB>();
    const updated = change.update('Logical_Switch_Port', [['name', '==', 'web-0.demo']], { tag: undefined });
    change.mutate(
      'Logical_Switch_Port',
      [['external_ids', 'includes', { pod: 'demo/web-0' }]],
      [
        ['external_ids', 'insert', { ls: 'default' }],
        ['external_ids', 'delete', ['pod']],
        ['addresses', 'insert', ['unknown']],
      ],
    );
    const selection = change.select(
      'Logical_Switch_Port',
      [['name', '==', 'web-0.demo']],
      ['addresses', 'external_ids', 'tag'],
    );
    const switches = change.select('Logical_Switch', [['_uuid', '==', known]], ['name', 'ports']);
    const result = await client.transact(change);
    expect(result.count(updated)).to.equal(1);
    expect(result.rows(selection)).to.deep.equal([
      {
        addresses: ['0a:58:0a:71:00:05 10.113.0.5', 'unknown'],
        external_ids: new Map([['ls', 'default']]),
        tag: undefined,
      },
    ]);
    expect(result.rows(switches)).to.deep.equal([{ name: 'default', ports: [inserted.uuidOf(port)] }]);

    const removal = new Transaction<DB>();
    removal.delete('Logical_Switch', [['name', '==', 'default']]);
    await client.transact(removal);
    const look = new Transaction<DB>();
    // Nothing refers to the port any more, and its table is no root: the database collected it.
    const left = look.select('Logical_Switch_Port', [true], ['name']);
    expect((await client.transact(look)).rows(left)).to.deep.equal([]);
  });

  it('does nothing where one operation fails', async () => {
    const error = await refusal(transaction => {
      transaction.insert('Address_Set', { name: 'pods' });
      transaction.insert('Address_Set', { name: 'pods' });
    });
    expect(error).to.be.instanceOf(TransactionError);
    expect(error).to.include({ tag: 'constraint violation', operation: undefined });
    const look = new Transaction<DB>();
    const sets = look.select('Address_Set', [], ['name']);
    expect((await client.transact(look)).rows(sets)).to.deep.equal([]);
  });

  it('aborts, asserts and waits', async () => {
    expect(await refusal(transaction => transaction.abort())).to.include({ tag: 'aborted', operation: 0 });
    expect(await refusal(transaction => transaction.assert('nobody_has_it'))).to.include({
      tag: 'not owner',
    });
    expect(() => new Transaction<DB>().assert('no-id')).to.throw(RangeError, 'current value is "no-id"');
    const absent = (transaction: Transaction<DB>, timeoutMs: number) =>
      transaction.wait(
        'Logical_Switch',
        [['name', '==', 'later']],
        ['name'],
        '==',
        [{ name: 'later' }],
        timeoutMs,
      );
    expect(await refusal(transaction => absent(transaction, 0))).to.include({
      tag: 'timed out',
      operation: 0,
    });
    expect(await refusal(transaction => absent(transaction, 50))).to.include({ tag: 'timed out' });
    const waiting = new Transaction<DB>();
    absent(waiting, 10_000);
    waiting.update('Logical_Switch', [['name', '==', 'later']], { external_ids: { seen: 'true' } });
    const done = client.transact(waiting);
    const insertion = new Transaction<DB>();
    insertion.insert('Logical_Switch', { name: 'later' });
    await client.transact(insertion);
    expect((await done).count(1)).to.equal(1);
  });

  it('cancels a transaction that waits', async () => {
    const waiting = new Transaction<DB>();
    waiting.wait('Logical_Switch', [['name', '==', 'never']], ['name'], '!=', [], 60_000);
    waiting.insert('Logical_Switch', { name: 'should not be' });
    const stop = new AbortController();
    const result = client.transact(waiting, { signal: stop.signal }).catch((error: unknown) => error);
    const other = new Transaction<DB>();
    other.insert('Logical_Switch', { name: 'other' });
    await client.transact(other);
    stop.abort(new Error('enough'));
    expect(await result).to.include({ message: 'enough' });
    const release = new Transaction<DB>();
    release.insert('Logical_Switch', { name: 'never' });
    await client.transact(release);
    const look = new Transaction<DB>();
    const found = look.select('Logical_Switch', [['name', '==', 'should not be']], ['name']);
    expect((await client.transact(look)).rows(found)).to.deep.equal([]);
  });

  it('sends nothing that does not fit the schema', async () => {
    const error = await refusal(transaction => {
      transaction.insert('Logical_Switch_Port', { name: 'x', tag: 4096 });
    });
    expect(error).to.be.instanceOf(ColumnTypeError);
    expect(String(error)).to.equal(
      'ColumnTypeError: Cannot use Logical_Switch_Port.tag as it must be an integer from 1 to 4095, or undefined: current value is 4096',
    );
  });

  it('is told of a database that does not exist', async () => {
    await using stranger = new OvsdbClient<DB>({ database: 'Nonsense', endpoints: [server.endpoint] });
    const state = await eventually('the refusal', () => stranger.state.state === 'waiting' && stranger.state);
    expect(state.error.message).to.equal(
      'Cannot use the server as it must have the database Nonsense: it has not',
    );
    expect(new RequestError('get_schema', 'unknown database').message).to.contain('unknown database');
  });

  it('hands a lock over when it is released, stolen, or its holder goes', async () => {
    await using second = connect();
    const events: string[] = [];
    const one = client.lock('leader', { onChange: held => events.push(`one ${held}`) });
    await one.acquired();
    const two = second.lock('leader', { onChange: held => events.push(`two ${held}`) });
    await second.ready();
    expect(two.isHeld).to.equal(false);
    const guarded = new Transaction<DB>();
    guarded.assert('leader');
    guarded.insert('Logical_Switch', { name: 'guarded' });
    await client.transact(guarded);
    expect(await second.transact(guarded).catch((error: unknown) => error)).to.include({ tag: 'not owner' });

    await two.steal();
    await eventually('the theft being told', () => !one.isHeld && two.isHeld);
    expect(await client.transact(guarded).catch((error: unknown) => error)).to.include({ tag: 'not owner' });
    await second.transact(guarded);

    await second.unlock(two);
    await eventually('its return', () => one.isHeld);
    const three = second.lock('leader');
    await server.kill();
    await eventually('the loss', () => !one.isHeld);
    await server.start();
    await eventually('one of them holding it again', () => one.isHeld !== three.isHeld);
    await client.unlock(one);
    await three.acquired();
    // Who of the two tells first is the network's affair.
    expect(events.slice(0, 3)).to.have.members(['one true', 'two true', 'one false']);
    expect(events.slice(3, 6)).to.deep.equal(['two false', 'one true', 'one false']);
  });
});
