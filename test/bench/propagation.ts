/**
 * How long a change of an endpoint in one cluster takes until the DNS server of another answers it, with real API
 * servers and the real processes: syncer, hub, syncer, crossdns. And how soon after a restart the first change passes.
 *
 *     node test/bench/propagation.ts [--services 1000] [--changes 500] [--rate 10] [--slices 1500]
 */
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '../../ovsdb-client/testing/programs.ts';
import { DnsProbe } from './propagation-dns.ts';
import {
  type Cluster,
  exportServices,
  firstAddress,
  type Process,
  placeOf,
  startDns,
  startSyncer,
  startWorld,
  untilSettled,
  writeSlice,
} from './propagation-world.ts';

const { values: options } = parseArgs({
  options: {
    services: { type: 'string', default: '1000' },
    changes: { type: 'string', default: '500' },
    rate: { type: 'string', default: '10' },
    slices: { type: 'string', default: '1500' },
  },
});
const [count, changes, rate, slices] = [options.services, options.changes, options.rate, options.slices].map(
  Number,
) as [number, number, number, number];

const world = await startWorld();
const port = await freePort();
const probe = new DnsProbe(port);
const running = new Map<string, Process>();
let addressCount = 0;
try {
  const { cluster1, cluster2 } = world;
  running.set('crossdns', startDns(world, cluster2, port));
  running.set('syncer1', startSyncer(world, cluster1));
  running.set('syncer2', startSyncer(world, cluster2));
  await exportServices(world, { from: 0, to: 1, twofold: 1 });
  await until('one service', placeOf(0), firstAddress(0));
  await report('memory with one service');

  for (const [name, process_] of running) if (name !== 'crossdns') await process_.end('SIGTERM');
  await exportServices(world, { from: 1, to: count, twofold: slices - count });
  const beganAt = performance.now();
  running.set('syncer1', startSyncer(world, cluster1));
  running.set('syncer2', startSyncer(world, cluster2));
  await Promise.all(
    Array.from({ length: count }, (_, index) => until('all services', placeOf(index), firstAddress(index))),
  );
  print(
    `${count} services, ${slices} slices: from nothing to all answered in ${seconds(performance.now() - beganAt)}`,
  );
  await untilSettled(world, count);
  print(`… and all written: ${seconds(performance.now() - beganAt)}`);
  await report(`memory with ${count} services`);

  print(
    `load average ${loadavg()
      .map(load => load.toFixed(1))
      .join(' ')}`,
  );
  const latencies = await Promise.all(
    Array.from({ length: changes }, async (_, index) => {
      await sleep((index * 1000) / rate);
      return await change(cluster1, (index * 7) % count);
    }),
  );
  latencies.sort((a, b) => a - b);
  const at = (quantile: number) =>
    `${latencies[Math.min(changes - 1, Math.floor(changes * quantile))]?.toFixed(1)} ms`;
  print(`${changes} changes at ${rate}/s: p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)}  most ${at(1)}`);
  await report('memory after the changes');

  for (const [name, cluster] of [
    ['syncer2', cluster2],
    ['syncer1', cluster1],
  ] as const) {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await running.get(name)?.end(signal);
      const startedAt = performance.now();
      // A container that was killed comes back as the same pod, one that was replaced as another.
      running.set(
        name,
        startSyncer(world, cluster, signal === 'SIGKILL' ? cluster.id : `${cluster.id}-${startedAt}`),
      );
      await change(cluster1, 1);
      const first = performance.now() - startedAt;
      print(
        `${name} (${name === 'syncer1' ? 'exporting' : 'importing'}) restarted after ${signal} at ${slices} slices: first fresh update through after ${seconds(first)}`,
      );
      await running.get(name)?.end('SIGTERM');
      running.set(name, startSyncer(world, cluster));
      await change(cluster1, 2);
    }
  }
} finally {
  probe.close();
  for (const process_ of running.values()) await process_.end('SIGKILL');
  await world.stop();
}

/** Milliseconds from before the change is written in its own cluster until another's DNS server answers it. */
async function change(cluster: Cluster, index: number): Promise<number> {
  const number = addressCount++;
  const address = `10.3.${number >> 8}.${number & 255}`;
  const startedAt = performance.now();
  await writeSlice(cluster, index, 0, address);
  return (await until('a change', placeOf(index), address)) - startedAt;
}

async function until(
  what: string,
  place: { namespace: string; name: string },
  address: string,
): Promise<number> {
  const name = `${place.name}.${place.namespace}.svc.hyperos.local`;
  try {
    return await probe.answered(name, address, AbortSignal.timeout(300_000));
  } catch (error) {
    throw new Error(`${what} did not happen within 300 s: ${name} must answer ${address}`, { cause: error });
  }
}

async function report(what: string): Promise<void> {
  const parts = await Promise.all(
    [...running].map(async ([name, process_]) => {
      const { rssMb, cpuSeconds } = await process_.usage();
      return `${name} ${rssMb.toFixed(0)} MB (${cpuSeconds.toFixed(1)} s CPU)`;
    }),
  );
  print(`${what}: ${parts.join('  ')}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
