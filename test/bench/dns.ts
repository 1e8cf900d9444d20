/**
 * crossdns, Knot DNS and CoreDNS side by side, on the same names.
 *
 *   node test/bench/dns.ts [--rounds 3] [--seconds 4] [--coredns PATH] [--only a1,srv]
 *
 * Each server is one process on core 0, dnsperf is on core 1, and the rounds alternate between the servers, so that
 * what else the machine does hits all alike. dnsperf itself ends at 140–170,000 queries a second, so the servers are
 * compared by queries per second of a full core: queries ÷ CPU time that the server's process used.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from '../../build/bundle.ts';
import { importOf, sliceOf } from '../../crossdns/served.fixture.ts';
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

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    coredns: { type: 'string', default: '.lab/bin/coredns' },
    only: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const zone = 'hyperos.local';
const services = 1_000;
/** Queries a second at which latency is measured. */
const steadyRate = 20_000;

interface Server {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

interface Case {
  readonly name: string;
  readonly question: (service: number) => string;
  readonly transport: 'udp' | 'tcp';
}

const letters = (text: string, seed: number) =>
  [...text].map((letter, i) => (((seed * 31 + i * 7) >> 2) & 1 ? letter.toUpperCase() : letter)).join('');
const one = (i: number) => `svc${i}.ns${i % 10}.svc.${zone}`;
const eight = (i: number) => `wide${i}.ns${i % 10}.svc.${zone}`;

const cases: readonly Case[] = [
  { name: 'A, 1 address', question: i => `${one(i)} A`, transport: 'udp' },
  { name: 'A, 8 addresses', question: i => `${eight(i)} A`, transport: 'udp' },
  { name: 'A, mixed case', question: i => `${letters(one(i), i)} A`, transport: 'udp' },
  { name: 'NXDOMAIN', question: i => `no${one(i)} A`, transport: 'udp' },
  { name: 'SRV', question: i => `_http._tcp.${one(i)} SRV`, transport: 'udp' },
  { name: 'A over TCP', question: i => `${one(i)} A`, transport: 'tcp' },
];

const directory = mkdtempSync(join(tmpdir(), 'nauti-bench-dns-'));

/** The same names for all: a zone file for Knot and CoreDNS, manifests for crossdns. */
function writeData(): void {
  const lines = [
    `$ORIGIN ${zone}.`,
    '$TTL 5',
    '@ IN SOA ns.dns hostmaster 1 7200 1800 86400 5',
    '@ IN NS ns.dns',
    'ns.dns IN A 127.0.0.1',
  ];
  const objects: object[] = [];
  const ports = ['http/tcp:80'];
  for (let i = 0; i < services; i++) {
    const address = (host: number) => `10.${host}.${i >> 8}.${i & 255}`;
    const host = address(1).replaceAll('.', '-');
    const service = `svc${i}.ns${i % 10}.svc`;
    lines.push(`${service} IN A ${address(1)}`, `${host}.c1.${service} IN A ${address(1)}`);
    lines.push(`_http._tcp.${service} IN SRV 0 1 80 ${host}.c1.${service}`);
    objects.push(importOf(`ns${i % 10}/svc${i}`, { ports }));
    objects.push(sliceOf(`ns${i % 10}/svc${i}`, 'c1', [address(1)], { ports }));
    const all = Array.from({ length: 8 }, (_, n) => address(n + 10));
    for (const each of all) lines.push(`wide${i}.ns${i % 10}.svc IN A ${each}`);
    objects.push(sliceOf(`ns${i % 10}/wide${i}`, 'c1', all, { ports }));
  }
  mkdirSync(join(directory, 'manifests'));
  mkdirSync(join(directory, 'knot'));
  writeFileSync(join(directory, `${zone}.zone`), `${lines.join('\n')}\n`);
  writeFileSync(join(directory, 'manifests', 'all.json'), JSON.stringify({ kind: 'List', items: objects }));
  writeFileSync(
    join(directory, 'Corefile'),
    `${zone}:5403 {\n  bind 127.0.0.1\n  file ${directory}/${zone}.zone\n}\n`,
  );
  writeFileSync(
    join(directory, 'knot.conf'),
    `server:
    rundir: "${directory}/knot"
    user: root:root
    listen: 127.0.0.1@5402
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "${directory}/knot"
log:
  - target: stderr
    any: error
zone:
  - domain: ${zone}
    file: "${directory}/${zone}.zone"
`,
  );
}

function servers(): Server[] {
  const program = join(directory, 'program', 'nauti.js');
  const manifests = join(directory, 'manifests');
  const found: Server[] = [
    {
      name: 'crossdns',
      port: 5401,
      command: [
        ...[
          process.execPath,
          ...nodeFlags,
          program,
          'crossdns',
          '--source',
          manifests,
          '--listen',
          '127.0.0.1:5401',
        ],
        ...['--zone', zone, '--cluster-id', 'c1', '--log-level', 'warn'],
      ],
    },
    { name: 'Knot', port: 5402, command: ['knotd', '-c', join(directory, 'knot.conf')] },
  ];
  if (existsSync(values.coredns)) {
    const command = [values.coredns, '-conf', join(directory, 'Corefile')];
    found.push({ name: 'CoreDNS', port: 5403, command, environment: { GOMAXPROCS: '1' } });
  } else {
    print(`no CoreDNS at ${values.coredns}: left out`);
  }
  return found;
}

async function start(server: Server): Promise<ChildProcess> {
  const child = spawn('taskset', ['-c', serverCore, ...server.command], {
    stdio: 'ignore',
    env: { ...process.env, ...server.environment },
  });
  const deadline = performance.now() + 30_000;
  const file = join(directory, 'first');
  writeFileSync(file, `${one(0)} A\n`);
  for (;;) {
    const { output } = await dnsperf(server.port, file, '-n', '1', '-t', '1');
    if (/NOERROR 1 /.test(output)) return child;
    if (performance.now() > deadline) throw new Error(`${server.name} does not answer: ${output}`);
  }
}

async function measure(all: readonly Server[], running: readonly ChildProcess[]): Promise<void> {
  const wanted = values.only?.split(',');
  const ratios = [...all.slice(1).map(({ name }) => `of ${name}`)].join(' | ');
  print(`\n| case | ${all.map(({ name }) => `${name}, q/s a core (q/s)`).join(' | ')} | ${ratios} |`);
  print(`|${'---|'.repeat(1 + all.length + all.length - 1)}`);
  for (const { name, question, transport } of cases) {
    if (wanted && !wanted.some(word => name.includes(word))) continue;
    const file = join(directory, 'queries');
    writeFileSync(file, Array.from({ length: services }, (_, i) => `${question(i)}\n`).join(''));
    const perCore: number[][] = all.map(() => []);
    const rates: number[][] = all.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, server] of all.entries()) {
        const pid = running[i]?.pid ?? 0;
        const before = cpuSeconds(pid);
        const begin = performance.now();
        const { completed, lost } = await dnsperf(
          server.port,
          file,
          ...['-m', transport, '-l', String(seconds), '-c', '4', '-q', '200'],
        );
        if (lost > completed / 100) print(`${server.name} lost ${lost} of ${completed} in "${name}"`);
        perCore[i]?.push(completed / (cpuSeconds(pid) - before));
        rates[i]?.push(completed / ((performance.now() - begin) / 1e3));
      }
    }
    const core = perCore.map(median);
    const cells = core.map((value, i) => `${value.toFixed(0)} (${median(rates[i] ?? []).toFixed(0)})`);
    const own = core[0] ?? Number.NaN;
    print(
      `| ${name} | ${[...cells, ...core.slice(1).map(other => `${(own / other).toFixed(2)}×`)].join(' | ')} |`,
    );
  }
}

async function measureLatency(all: readonly Server[]): Promise<void> {
  const file = join(directory, 'queries');
  writeFileSync(file, Array.from({ length: services }, (_, i) => `${one(i)} A\n`).join(''));
  const results: [number, number][][] = all.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { port }] of all.entries()) {
      const times = await latencies(port, file, { rate: steadyRate, seconds });
      results[i]?.push([quantile(times, 0.5), quantile(times, 0.99)]);
    }
  }
  print(`\nlatency at ${steadyRate} queries a second, in ms:`);
  for (const [i, { name }] of all.entries()) {
    const [p50, p99] = [0, 1].map(n => median((results[i] ?? []).map(result => result[n] ?? Number.NaN)));
    print(`  ${name.padEnd(9)} p50 ${p50?.toFixed(3)}  p99 ${p99?.toFixed(3)}`);
  }
}

writeData();
await bundle(join(directory, 'program'));
const all = servers();
const running: ChildProcess[] = [];
try {
  for (const server of all) running.push(await start(server));
  await measure(all, running);
  await measureLatency(all);
  print('\nresident memory, in MB:');
  for (const [i, { name }] of all.entries()) {
    const { all: resident, own } = residentMegabytes(running[i]?.pid ?? 0);
    print(`  ${name.padEnd(9)} ${resident.toFixed(0)}, of them its own ${own.toFixed(0)}`);
  }
} finally {
  for (const child of running) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
}
