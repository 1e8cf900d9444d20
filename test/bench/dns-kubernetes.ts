/**
 * crossdns over a real API server, beside CoreDNS's own support of the MCS API (`kubernetes`, `multicluster`).
 *
 *   node test/bench/dns-kubernetes.ts [--services 1000] [--endpoints 10] [--changes 100] [--servers crossdns,CoreDNS]
 *
 * Half of the services are of the type ClusterSetIP, half are headless. Each server has core 0, dnsperf core 1; the API
 * server has both, so that under updates all disturb each other: what the server itself used is the figure to look at.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { KubeObject } from '../../api/meta.ts';
import { endpointSlices, namespaces, serviceImports } from '../../api/resource.ts';
import { bundle } from '../../build/bundle.ts';
import { importOf, sliceOf } from '../../crossdns/served.fixture.ts';
import { kubeconfigAccess } from '../../kube/access.ts';
import { KubeClient } from '../../kube/client.ts';
import { startControlPlane } from '../../lab/control-plane.ts';
import { freePort } from '../../ovsdb-client/testing/programs.ts';
import { installCrds } from '../integration/install-crds.ts';
import {
  cpuSeconds,
  dnsperf,
  latencies,
  median,
  nodeFlags,
  print,
  quantile,
  residentMegabytes,
  serverCore,
} from './dns/load.ts';
import { DnsProbe } from './propagation-dns.ts';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '1000' },
    endpoints: { type: 'string', default: '10' },
    changes: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '4' },
    servers: { type: 'string', default: 'crossdns,CoreDNS' },
    coredns: { type: 'string', default: '.lab/bin/coredns' },
  },
});
const [services, endpoints, changes, seconds] = [
  values.services,
  values.endpoints,
  values.changes,
  values.seconds,
].map(Number) as [number, number, number, number];
const zone = 'clusterset.local';
/** Queries a second while others are measured. */
const steadyRate = 10_000;

const directory = mkdtempSync(join(tmpdir(), 'nauti-bench-dns-'));
const plane = await startControlPlane({ directory: join(directory, 'plane') });
const client = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
try {
  await bundle(join(directory, 'program'));
  await installCrds(client);
  await createServices();
  const file = join(directory, 'queries');
  writeFileSync(file, Array.from({ length: services }, (_, i) => `${nameOf(i)} A\n`).join(''));
  for (const name of values.servers.split(',')) await measure(name, file);
} finally {
  client.close();
  await plane.stop();
  rmSync(directory, { recursive: true, force: true });
}

function placeOf(i: number): string {
  return `ns${i % 10}/svc${i}`;
}

function nameOf(i: number): string {
  const [namespace, name] = placeOf(i).split('/');
  return `${name}.${namespace}.svc.${zone}`;
}

function isHeadless(i: number): boolean {
  return i % 2 === 1;
}

function vipOf(i: number): string {
  return `10.96.${i >> 8}.${i & 255}`;
}

function sliceWith(i: number, first: string): KubeObject {
  const others = Array.from({ length: endpoints - 1 }, (_, n) => `10.${n + 1}.${i >> 8}.${i & 255}`);
  return sliceOf(placeOf(i), 'c1', [first, ...others], { ports: ['http/tcp:80'] });
}

async function createServices(): Promise<void> {
  for (let i = 0; i < 10; i++) await client.create(namespaces, { metadata: { name: `ns${i}` } });
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < services; i = next++) {
      const headless = isHeadless(i);
      const ips = headless ? [] : [vipOf(i)];
      await client.create(serviceImports, importOf(placeOf(i), { headless, ips, ports: ['http/tcp:80'] }));
      await client.create(endpointSlices, sliceWith(i, `10.200.${i >> 8}.${i & 255}`));
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

function commandOf(name: string, port: number): readonly string[] {
  if (name === 'crossdns') {
    return [
      ...[process.execPath, ...nodeFlags, join(directory, 'program', 'nauti.js'), 'crossdns'],
      ...['--source', 'kubernetes'],
      ...['--kubeconfig', plane.kubeconfig, '--zone', zone, '--cluster-id', 'c1', '--log-level', 'error'],
      ...['--listen', `127.0.0.1:${port}`],
    ];
  }
  const lines = [
    `${zone}:${port} {`,
    '  bind 127.0.0.1',
    `  kubernetes ${zone} {`,
    `    kubeconfig ${plane.kubeconfig}`,
    `    multicluster ${zone}`,
    '  }',
    '}',
  ];
  writeFileSync(join(directory, 'Corefile'), `${lines.join('\n')}\n`);
  return [values.coredns, '-conf', join(directory, 'Corefile')];
}

async function measure(name: string, file: string): Promise<void> {
  const port = await freePort();
  const probe = new DnsProbe(port);
  const startedAt = performance.now();
  const child = spawn('taskset', ['-c', serverCore, ...commandOf(name, port)], {
    stdio: 'ignore',
    env: { ...process.env, GOMAXPROCS: '1' },
  });
  try {
    const last = isHeadless(services - 1) ? services - 2 : services - 1;
    await probe.answered(nameOf(last), vipOf(last), AbortSignal.timeout(120_000));
    print(
      `\n${name}: ${services} services of ${endpoints} endpoints; ready after ${(performance.now() - startedAt).toFixed(0)} ms, ${cpuSeconds(child.pid ?? 0).toFixed(2)} s of CPU`,
    );
    await sleep(1_000);
    report('at rest', child);
    await throughput(child, port, file);
    report('after queries', child);
    await propagation(probe);
    report('after changes', child);
    await updates(child, port, file);
    report('after updates', child);
  } finally {
    probe.close();
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

function report(when: string, { pid = 0 }: ChildProcess): void {
  const { all, own } = residentMegabytes(pid);
  print(`  memory ${when}: ${all.toFixed(0)} MB, of them ${own.toFixed(0)} MB its own`);
}

async function throughput({ pid = 0 }: ChildProcess, port: number, file: string): Promise<void> {
  const rates: number[] = [];
  for (let round = 0; round < 3; round++) {
    const before = cpuSeconds(pid);
    const { completed } = await dnsperf(port, file, '-l', String(seconds), '-c', '4', '-q', '200');
    rates.push(completed / (cpuSeconds(pid) - before));
  }
  print(`  queries a second of a core: ${median(rates).toFixed(0)}`);
}

/** From before a slice of a headless service is written until the answer has its new address. */
async function propagation(probe: DnsProbe): Promise<void> {
  const times: number[] = [];
  for (let n = 0; n < changes; n++) {
    const i = (n * 2 + 1) % services;
    const address = `10.201.${n >> 8}.${n & 255}`;
    const begin = performance.now();
    await client.apply(endpointSlices, sliceWith(i, address), { fieldManager: 'bench', force: true });
    const written = performance.now();
    const answered = await probe.answered(nameOf(i), address, AbortSignal.timeout(30_000));
    times.push(answered - Math.min(written, answered));
    if (n === 0) print(`  the first change: ${(answered - begin).toFixed(1)} ms with its writing`);
  }
  times.sort((a, b) => a - b);
  print(
    `  from the API server's answer to the changed one, ${changes} changes: p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`,
  );
}

/** As many updates as the API server takes, while queries come at a steady rate. */
async function updates({ pid = 0 }: ChildProcess, port: number, file: string): Promise<void> {
  const undisturbed = await latencies(port, file, { rate: steadyRate, seconds });
  const stop = new AbortController();
  let written = 0;
  const worker = async (w: number) => {
    for (let n = w; !stop.signal.aborted; n += 8, written++) {
      const i = (n * 2 + 1) % services;
      await client.apply(endpointSlices, sliceWith(i, `10.202.${(n >> 8) & 255}.${n & 255}`), {
        fieldManager: 'bench',
        force: true,
      });
    }
  };
  const workers = Promise.all(Array.from({ length: 8 }, (_, w) => worker(w)));
  const [before, begin, count] = [cpuSeconds(pid), performance.now(), written];
  const disturbed = await latencies(port, file, { rate: steadyRate, seconds });
  const took = (performance.now() - begin) / 1000;
  const rate = (written - count) / took;
  const cpu = (cpuSeconds(pid) - before) / took;
  stop.abort();
  await workers;
  const p99 = [undisturbed, disturbed].map(times => `${quantile(times, 0.99).toFixed(2)} ms`);
  print(
    `  ${steadyRate} queries a second: p99 ${p99[0]}; with ${rate.toFixed(0)} updates a second p99 ${p99[1]}, ${(cpu * 100).toFixed(0)} % of a core`,
  );
}
