import { OvsdbClient, parseEndpoints } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';

const endpoints = parseEndpoints(process.argv[2] ?? 'unix:/run/ovn/ovnnb_db.sock') ?? [];
await using client = new OvsdbClient<OVNNorthboundDatabase>({ database: 'OVN_Northbound', endpoints });

const switches = client.monitor({
  Logical_Switch: { columns: ['name'], where: [['name', '==', 'example']] },
});
// One call for each transaction, with all that it changed.
switches.replica.subscribe(changes => {
  for (const { before, after } of changes) console.log(`${before?.name ?? '-'} → ${after?.name ?? '-'}`);
});
await switches.synced(AbortSignal.timeout(5_000));
