/**
 * `node test/bench/nic.ts [PODS]`: what the second NIC adds to the start of a pod. A real containerd makes sandboxes one
 * after the other, in turns with the agent and without it; then 100 at once with it. The agent is the bundled program, and
 * looks after the node's own device too, as it does on the nodes of a cluster.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodes } from '../../api/resource.ts';
import { bundle } from '../../build/bundle.ts';
import { until } from '../../lab/until.ts';
import { versionOf } from '../../ovsdb-client/testing/programs.ts';
import { allocation, type RunningPod, startWorld } from '../integration/nri/world.ts';

const podsARound = Number(process.argv[2] ?? 25);
const rounds = 4;
const atOnce = 100;

const write = (line: string) => void process.stdout.write(`${line}\n`);
const row = (...cells: readonly (string | number)[]) => write(`| ${cells.join(' | ')} |`);

function share(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

const summary = (values: readonly number[]) =>
  [0.5, 0.9, 0.99, 1].map(part => `${share(values, part).toFixed(1)} ms`);

const directory = await mkdtemp(join(tmpdir(), 'nauti-bench-nic-'));
await bundle(directory);
const world = await startWorld();
world.program = join(directory, 'nauti.js');
// As the chart gives them.
world.nodeFlags = ['--max-semi-space-size=1', '--optimize-for-size', '--no-node-snapshot'];
const { 'nauti.io/pod_nic_type': _, ...ofNode } = allocation(2);
let next = 3;

async function startAgent(): Promise<void> {
  await world.startAgent();
  await until(async () => (await world.metric('nauti_nri_node_device_ready')) === 1, {
    what: "the node's device",
    timeout: 60_000,
  });
}

/** Starts pods one after the other. @returns milliseconds of each. */
async function startInTurn(count: number): Promise<number[]> {
  const times: number[] = [];
  const running: RunningPod[] = [];
  for (let i = 0; i < count; i++) {
    const pod = await world.createPod(undefined, allocation(next++));
    const begin = performance.now();
    running.push(await world.runSandbox(pod));
    times.push(performance.now() - begin);
  }
  await world.clear();
  return times;
}

try {
  write(`containerd 2, ${await versionOf('ovs-vswitchd')}, userspace datapath, Node ${process.version}\n`);
  await world.admin.create(nodes, { metadata: { name: world.node.name, annotations: ofNode } });
  const without: number[] = [];
  const withAgent: number[] = [];
  // The first ones fill caches of the machine.
  await startInTurn(5);
  let idle = 0;
  for (let round = 0; round < rounds; round++) {
    without.push(...(await startInTurn(podsARound)));
    await startAgent();
    idle = await world.residentMegabytes();
    withAgent.push(...(await startInTurn(podsARound)));
    await world.node.end('agent', 'SIGTERM');
  }
  const heldUp = world.log.flatMap(({ heldUpMs }) => (typeof heldUpMs === 'number' ? [heldUpMs] : []));
  row(`${without.length} pods, one after the other`, 'p50', 'p90', 'p99', 'most');
  row('---', '---', '---', '---', '---');
  row('start without nauti', ...summary(without));
  row('start with nauti', ...summary(withAgent));
  row('of that, held up by nauti', ...summary(heldUp));

  await startAgent();
  const since = world.log.length;
  const pods = await Promise.all(
    Array.from({ length: atOnce }, () => world.createPod(undefined, allocation(next++))),
  );
  const begin = performance.now();
  const running = await Promise.all(pods.map(pod => world.runSandbox(pod)));
  await until(async () => (await world.metric('nauti_nri_nics')) === atOnce, {
    what: 'all NICs',
    timeout: 60_000,
  });
  const all = performance.now() - begin;
  const [first] = running;
  if (first !== undefined)
    await world.run(first, 'ping', '-c', '1', '-w', '5', `10.113.${(next - 1) >> 8}.${(next - 1) & 255}`);
  const together = world.log
    .slice(since)
    .flatMap(({ heldUpMs }) => (typeof heldUpMs === 'number' ? [heldUpMs] : []));
  row(`${atOnce} at once: held up by nauti`, ...summary(together));
  write(`\n${atOnce} pods at once: all with a working NIC after ${(all / 1000).toFixed(1)} s.`);
  write(
    `Memory of the agent: ${idle.toFixed(0)} MB idle, ${(await world.residentMegabytes()).toFixed(0)} MB with ${atOnce} pods.`,
  );
} finally {
  await world[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
}
