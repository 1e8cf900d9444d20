import { OvsdbClient, parseEndpoints, Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';

const endpoints = parseEndpoints(process.argv[2] ?? 'unix:/run/ovn/ovnnb_db.sock') ?? [];
await using client = new OvsdbClient<OVNNorthboundDatabase>({ database: 'OVN_Northbound', endpoints });

// All of it happens, or nothing: the port, and its place on the switch.
const transaction = new Transaction<OVNNorthboundDatabase>();
const port = transaction.insert('Logical_Switch_Port', {
  name: 'web-0.demo',
  addresses: ['0a:58:0a:71:00:05 10.113.0.5'],
  external_ids: { pod: 'demo/web-0' },
});
transaction.insert('Logical_Switch', { name: 'example', ports: [port] });
const result = await client.transact(transaction, { signal: AbortSignal.timeout(5_000) });
console.log(`inserted ${result.uuidOf(port)}`);
