import { OvsdbClient, parseEndpoints } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';

const endpoints = parseEndpoints(process.argv[2] ?? 'unix:/run/ovn/ovnnb_db.sock') ?? [];
await using client = new OvsdbClient<OVNNorthboundDatabase>({ database: 'OVN_Northbound', endpoints });

// A copy of these columns in memory, kept equal to the database over all reconnects.
const ports = client.monitor({
  Logical_Switch_Port: {
    columns: ['name', 'addresses', 'external_ids'],
    indexes: { byPod: row => [row.external_ids.get('pod') ?? ''] },
  },
});
await ports.synced(AbortSignal.timeout(5_000));
const table = ports.replica.table('Logical_Switch_Port');
for (const row of table.values()) console.log(row.name, row.addresses.join());
console.log(`demo/web-0 has ${table.find('byPod', 'demo/web-0').length} port`);
