/**
 * `node --expose-gc test/bench/ovsdb.ts [PORTS…]`: ovsdb-client against `ovn-nbctl` as a daemon and python3-openvswitch,
 * on a real ovsdb-server. PORTS: how many ports are loaded, 10000 and 100000 where nothing is given.
 */
import { execFile } from 'node:child_process';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { formatEndpoint, OvsdbClient, Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { Session } from '../../ovsdb-client/session.ts';
import { type OvsdbServer, startCluster, startStandalone } from '../../ovsdb-client/testing/ovsdb-server.ts';
import {
  eventually,
  RunningProgram,
  runProgram,
  sharedFile,
  versionOf,
} from '../../ovsdb-client/testing/programs.ts';

type DB = OVNNorthboundDatabase;

const execute = promisify(execFile);
const schema = sharedFile('ovn/ovn-nb.ovsschema');
const python = fileURLToPath(new URL('ovsdb/python-idl.py', import.meta.url));
const sizes = process.argv.slice(2).map(Number);

const write = (line: string) => void process.stdout.write(`${line}\n`);
const row = (...cells: readonly string[]) => write(`| ${cells.join(' | ')} |`);
const connect = (server: OvsdbServer) =>
  new OvsdbClient<DB>({ database: 'OVN_Northbound', endpoints: [server.endpoint] });

/** Inserts ports into the switch `bench`: what `lsp-add` and more does. */
function addPorts(prefix: string, from: number, count: number): Transaction<DB> {
  const transaction = new Transaction<DB>();
  const ports = Array.from({ length: count }, (_, i) =>
    transaction.insert('Logical_Switch_Port', {
      name: `${prefix}-${from + i}`,
      addresses: ['0a:58:0a:71:00:05 10.113.0.5'],
      external_ids: { pod: `demo/${prefix}-${from + i}`, ls: 'default', vendor: 'bench' },
    }),
  );
  transaction.mutate('Logical_Switch', [['name', '==', 'bench']], [['ports', 'insert', ports]]);
  return transaction;
}

async function clear(client: OvsdbClient<DB>): Promise<void> {
  const transaction = new Transaction<DB>();
  transaction.delete('Logical_Switch', [true]);
  transaction.insert('Logical_Switch', { name: 'bench' });
  await client.transact(transaction);
}

/** Of so many rounds the best counts: the others were disturbed. */
const rounds = 3;

/** Ports a second. @param prepare comes before each round and is not counted. */
async function rate(count: number, prepare: () => Promise<void>, work: () => Promise<void>): Promise<string> {
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    await prepare();
    const begin = performance.now();
    await work();
    best = Math.max(best, count / ((performance.now() - begin) / 1000));
  }
  return Math.round(best).toLocaleString('en');
}

async function inParallel(
  count: number,
  width: number,
  step: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await step(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** What one ovn-nbctl daemon does: by its command line, and by its control socket without a process a command. */
async function nbctlRates(
  server: OvsdbServer,
  prepare: () => Promise<void>,
): Promise<readonly [string, string]> {
  const control = join(server.directory, 'nbctl.ctl');
  const daemon = new RunningProgram('ovn-nbctl', [
    `--db=${formatEndpoint(server.endpoint)}`,
    `--unixctl=${control}`,
    '--detach',
    '--no-chdir',
    `--pidfile=${join(server.directory, 'nbctl.pid')}`,
  ]);
  try {
    await eventually('ovn-nbctl running', () =>
      runProgram('ovs-appctl', '-t', control, 'version').then(
        () => true,
        () => false,
      ),
    );
    // It refuses an address twice.
    const add = (name: string, i: number) => {
      const addresses = `0a:58:0a:71:${hex(i >> 8)}:${hex(i)} 10.113.${(i >> 8) & 255}.${i & 255}`;
      return ['lsp-add', 'bench', name, '--', 'lsp-set-addresses', name, addresses];
    };
    const commands = 200;
    const byCommand = await rate(commands, prepare, async () => {
      for (let i = 0; i < commands; i++) {
        await execute('ovn-nbctl', add(`command-${i}`, i), {
          env: { ...process.env, OVN_NB_DAEMON: control },
        });
      }
    });
    const socket = createConnection(control);
    const session = new Session(socket, {
      probeIntervalMs: 0,
      maxMessageBytes: 1_000_000,
      maxQueuedBytes: 1_000_000,
      onNotification: () => {},
    });
    const calls = 1_000;
    const bySocket = await rate(calls, prepare, async () => {
      for (let i = 0; i < calls; i++) await session.request('run', add(`socket-${i}`, commands + i));
    });
    session.close(new Error('done'));
    return [byCommand, bySocket];
  } finally {
    await runProgram('ovs-appctl', '-t', control, 'exit').catch(() => '');
    await daemon.stop();
  }
}

function hex(byte: number): string {
  return (byte & 255).toString(16).padStart(2, '0');
}

async function compareTransactions(what: string, server: OvsdbServer): Promise<void> {
  await using client = connect(server);
  const prepare = () => clear(client);
  // Servers copy a switch's set of ports with each port that is added: no more than that, for all clients.
  const single = 2_000;
  const oneByOne = await rate(single, prepare, async () => {
    for (let i = 0; i < single; i++) await client.transact(addPorts('one', i, 1));
  });
  const pipelined = await rate(single, prepare, () =>
    inParallel(single, 100, i => client.transact(addPorts('piped', i, 1))),
  );
  const many = 10_000;
  const batched = await rate(many, prepare, () =>
    inParallel(many / 500, 2, i => client.transact(addPorts('batch', i * 500, 500))),
  );
  row(what, 'ovsdb-client', oneByOne, pipelined, batched);
  const [byCommand, bySocket] = await nbctlRates(server, prepare);
  row(what, 'ovn-nbctl, daemon, a process a command', byCommand, '–', '–');
  row(what, 'ovn-nbctl, daemon, its control socket', bySocket, '–', '–');
  let pythonRate = 0;
  for (let round = 0; round < rounds; round++) {
    await prepare();
    const words = [python, formatEndpoint(server.endpoint), schema, 'one-by-one', '500'];
    const { stdout } = await execute('/usr/bin/python3', words);
    pythonRate = Math.max(pythonRate, 500 / Number(stdout));
  }
  row(what, "python3-openvswitch's IDL", Math.round(pythonRate).toLocaleString('en'), '–', '–');
}

function heap(): number {
  if (globalThis.gc === undefined) throw new Error('Cannot weigh as node must be started with --expose-gc');
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

async function compareLoads(ports: number): Promise<void> {
  await using server = await startStandalone({ schema });
  await using writer = connect(server);
  await clear(writer);
  await inParallel(ports / 1_000, 2, i => writer.transact(addPorts('load', i * 1_000, 1_000)));
  await using client = connect(server);
  await client.ready();
  const before = heap();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const begin = performance.now();
  const monitor = client.monitor({ Logical_Switch_Port: { columns: ['name', 'addresses', 'external_ids'] } });
  await monitor.synced();
  const elapsed = performance.now() - begin;
  delay.disable();
  const bytes = (heap() - before) / monitor.replica.table('Logical_Switch_Port').size;
  row(
    `${ports}`,
    'ovsdb-client',
    `${elapsed.toFixed(0)} ms`,
    `${bytes.toFixed(0)} B`,
    `${(delay.max / 1e6).toFixed(1)} ms`,
  );
  const { stdout } = await execute('/usr/bin/python3', [
    python,
    formatEndpoint(server.endpoint),
    schema,
    'load',
  ]);
  const [seconds, , rowBytes] = stdout.trim().split(' ').map(Number);
  row(
    `${ports}`,
    "python3-openvswitch's IDL",
    `${((seconds ?? 0) * 1000).toFixed(0)} ms`,
    `${(rowBytes ?? 0).toFixed(0)} B (RSS)`,
    'all of it',
  );
}

write(`${await versionOf('ovsdb-server')}, ${await versionOf('ovn-nbctl')}, Node ${process.version}\n`);
row('server', 'client', 'ports/s one by one', 'pipelined, 100 at once', '500 a transaction');
row('---', '---', '---', '---', '---');
{
  await using server = await startStandalone({ schema });
  await compareTransactions('standalone', server);
}
{
  await using cluster = await startCluster(3, { schema, electionTimerMs: 2_000 });
  await compareTransactions('RAFT of three', await cluster.leader());
}
write('');
row('ports', 'client', 'until all are there', 'memory a row', 'longest event-loop block');
row('---', '---', '---', '---', '---');
for (const ports of sizes.length > 0 ? sizes : [10_000, 100_000]) await compareLoads(ports);
