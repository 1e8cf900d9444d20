import { OvsdbClient, parseEndpoints, Transaction, TransactionError } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';

const endpoints = parseEndpoints(process.argv[2] ?? 'unix:/run/ovn/ovnnb_db.sock') ?? [];
await using client = new OvsdbClient<OVNNorthboundDatabase>({ database: 'OVN_Northbound', endpoints });

// Of all clients that ask for a lock one holds it; transactions that assert it fail for the others.
const lock = client.lock('my_controller');
await lock.acquired(AbortSignal.timeout(5_000));
const transaction = new Transaction<OVNNorthboundDatabase>();
transaction.assert('my_controller');
transaction.mutate('NB_Global', [], [['external_ids', 'insert', { 'my-controller': 'was here' }]]);
try {
  await client.transact(transaction);
  console.log('done');
} catch (error) {
  // Nothing of it was done; `tag` says why: "not owner" when the lock was lost.
  if (!(error instanceof TransactionError)) throw error;
  console.log(`refused: ${error.tag}`);
}
