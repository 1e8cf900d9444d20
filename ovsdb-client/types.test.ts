import { expect } from 'chai';
import type { OVNNorthboundDatabase } from './generated/ovn-northbound.ts';
import type { Kept } from './replica.ts';
import { Transaction } from './transaction.ts';
import type { Uuid } from './value.ts';

// What must not compile is marked so: the compiler complains where it does.
describe('types', () => {
  it('refuse what the schema refuses', () => {
    const transaction = new Transaction<OVNNorthboundDatabase>();
    const port = transaction.insert('Logical_Switch_Port', {
      name: 'a',
      tag: undefined,
      external_ids: { a: 'b' },
    });
    transaction.insert('Logical_Switch', { ports: [port] });
    transaction.insert('ACL', { action: 'drop', direction: 'to-lport' });
    // @ts-expect-error no such table
    transaction.insert('Logical_Swich', {});
    // @ts-expect-error no such column
    transaction.insert('Logical_Switch', { nmae: 'x' });
    // @ts-expect-error a text, not a number
    transaction.insert('Logical_Switch', { name: 1 });
    // @ts-expect-error a list of references, not of texts
    transaction.insert('Logical_Switch', { ports: ['a'] });
    // @ts-expect-error not one of the legal values
    transaction.insert('ACL', { action: 'deny' });
    transaction.mutate('Logical_Switch', [['name', '==', 'x']], [['ports', 'insert', [port]]]);
    // @ts-expect-error arithmetic on a set
    transaction.mutate('Logical_Switch', [], [['ports', '+=', 1]]);
    // @ts-expect-error no such function
    transaction.delete('Logical_Switch', [['name', '=', 'x']]);
    expect(transaction.size).to.equal(11);
  });

  it('leave of a monitored table what was asked for', () => {
    type Request = { readonly Logical_Switch: { readonly columns: readonly ['name', 'ports'] } };
    type Row = Kept<OVNNorthboundDatabase, Request, 'Logical_Switch'>;
    const row: Row = { _uuid: '' as Uuid, name: 'x', ports: [] };
    // @ts-expect-error not asked for
    expect(row.acls).to.equal(undefined);
  });
});
