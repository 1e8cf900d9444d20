/**
 * Queries at a steady rate while services change at another, from a real redis-server, which takes any rate of changes:
 *
 *   node test/bench/dns-updates.ts [--services 10000] [--endpoints 10] [--rate 1000] [--seconds 5]
 *
 * crossdns has core 0; publisher, redis-server and dnsperf share core 1.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bundle } from '../../build/bundle.ts';
import { parseRedisTarget, type RedisTarget } from '../../crossdns/redis/layout.ts';
import { Publisher } from '../../crossdns/redis/publisher.ts';
import { Served, sliceOf } from '../../crossdns/served.fixture.ts';
import { freePort } from '../../ovsdb-client/testing/programs.ts';
import { silentLogger } from '../../process/log.ts';
import { RedisServer, secret } from '../integration/crossdns/redisserver.ts';
import {
  cpuSeconds,
  latencies,
  nodeFlags,
  print,
  quantile,
  residentMegabytes,
  serverCore,
} from './dns/load.ts';
import { DnsProbe } from './propagation-dns.ts';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    endpoints: { type: 'string', default: '10' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' },
  },
});
const [services, endpoints, rate, seconds] = [
  values.services,
  values.endpoints,
  values.rate,
  values.seconds,
].map(Number) as [number, number, number, number];
const queryRate = 10_000;

const directory = mkdtempSync(join(tmpdir(), 'nauti-bench-dns-'));
await bundle(join(directory, 'program'));
const redis = new RedisServer(await freePort(), directory);
await redis.start();
const url = `redis://:${secret}@127.0.0.1:${redis.port}`;
const stop = new AbortController();
const origin = new Served([]);
for (let i = 0; i < services; i++) set(i, 0);
const publishing = new Publisher(parseRedisTarget(url) as RedisTarget, origin.catalog, silentLogger()).run(
  stop.signal,
);
const port = await freePort();
const probe = new DnsProbe(port);
const beganAt = performance.now();
const child = spawn(
  'taskset',
  [
    ...['-c', serverCore, process.execPath, ...nodeFlags, join(directory, 'program', 'nauti.js'), 'crossdns'],
    ...['--listen', `127.0.0.1:${port}`, '--cluster-id', 'c1', '--log-level', 'error'],
  ],
  { stdio: 'ignore', env: { ...process.env, NAUTI_SOURCE: url } },
);
try {
  await probe.answered(nameOf(services - 1), addressOf(services - 1, 0), AbortSignal.timeout(60_000));
  const ready = performance.now() - beganAt;
  print(
    `${services} services of ${endpoints} endpoints: published and answered after ${ready.toFixed(0)} ms`,
  );
  const file = join(directory, 'queries');
  writeFileSync(file, Array.from({ length: services }, (_, i) => `${nameOf(i)} A\n`).join(''));
  await measure('undisturbed', file);
  const changing = change();
  await measure(`with ${rate} changes a second`, file);
  stop.abort();
  print(`changes made: ${await changing}`);
} finally {
  stop.abort();
  probe.close();
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await Promise.all([ended, publishing, redis.kill()]);
  rmSync(directory, { recursive: true, force: true });
}

function nameOf(i: number): string {
  return `svc${i}.ns${i % 10}.svc.hyperos.local`;
}

function addressOf(i: number, change: number): string {
  return `10.${200 + (change % 50)}.${i >> 8}.${i & 255}`;
}

function set(i: number, change: number): void {
  const others = Array.from({ length: endpoints - 1 }, (_, n) => `10.${n + 1}.${i >> 8}.${i & 255}`);
  origin.apply(
    sliceOf(`ns${i % 10}/svc${i}`, 'c1', [addressOf(i, change), ...others], { ports: ['http/tcp:80'] }),
  );
}

/** Changes one service after the other until stopped. @returns how many. */
async function change(): Promise<number> {
  const begin = performance.now();
  let made = 0;
  while (!stop.signal.aborted) {
    const due = Math.floor(((performance.now() - begin) / 1_000) * rate);
    for (; made < due; made++) set(made % services, 1 + Math.floor(made / services));
    await sleep(5);
  }
  return made;
}

async function measure(what: string, file: string): Promise<void> {
  const pid = child.pid ?? 0;
  const [before, begin] = [cpuSeconds(pid), performance.now()];
  const times = await latencies(port, file, { rate: queryRate, seconds });
  const cpu = ((cpuSeconds(pid) - before) / (performance.now() - begin)) * 100_000;
  const [p50, p99] = [0.5, 0.99].map(share => quantile(times, share).toFixed(2));
  const { all, own } = residentMegabytes(pid);
  print(
    `${what}: ${times.length} queries at ${queryRate}/s, p50 ${p50} ms, p99 ${p99} ms; ${cpu.toFixed(0)} % of a core, ${all.toFixed(0)} MB (${own.toFixed(0)} its own)`,
  );
}
