/** `node --expose-gc test/bench/ipam.ts`: how fast addresses are given, and what a pool weighs. */

import { formatAddress, parseAddress } from '../../ipam/address.ts';
import { AddressPool } from '../../ipam/address-pool.ts';
import { type Cidr, parseCidr } from '../../ipam/cidr.ts';

const rounds = 5;

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`);
  return parsed;
}

/** The fastest of some rounds: the others were disturbed. In milliseconds. */
function best(round: () => void): number {
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    const begin = performance.now();
    round();
    fastest = Math.min(fastest, performance.now() - begin);
  }
  return fastest;
}

/** Bytes that stay, in and outside of V8's heap. */
function weight(): number {
  if (globalThis.gc === undefined) throw new Error('Cannot weigh as node must be started with --expose-gc');
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function allocateAll(text: string, count: number): AddressPool {
  const pool = new AddressPool({ cidr: cidr(text), quarantineMs: 0 });
  for (let i = 0; i < count; i++) if ('refused' in pool.allocate(0)) throw new Error(`refused at ${i}`);
  return pool;
}

function row(what: string, figure: string): void {
  process.stdout.write(`| ${what.padEnd(58)} | ${figure.padStart(12)} |\n`);
}

const million = 1_048_576;
row('what', 'figure');
row('---', '---');
for (const block of ['10.112.0.0/12', 'fd00:10:113::/64']) {
  row(
    `allocate ${million} addresses of ${block}`,
    `${best(() => allocateAll(block, million)).toFixed(1)} ms`,
  );
}
const before = weight();
const pool = allocateAll('10.112.0.0/12', million);
row(`memory of a pool with ${million} used`, `${((weight() - before) / 1024).toFixed(0)} KB`);
const churn = best(() => {
  for (let i = 0; i < 100_000; i++) {
    const address = { family: 4, value: pool.cidr.base + BigInt((i * 7919) % million) } as const;
    pool.release(address, i, `pod-${i}`);
    if ('refused' in pool.allocate(i)) throw new Error('refused');
  }
});
row('release and allocate on a full pool', `${((churn / 100_000) * 1000).toFixed(2)} µs`);
for (const text of ['10.113.200.5', 'fd00:10:113::4:5']) {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(text);
  row(`parse ${text}`, `${(best(() => repeat(() => parseAddress(text))) / 10).toFixed(2)} µs`);
  row(`print ${text}`, `${(best(() => repeat(() => formatAddress(address))) / 10).toFixed(2)} µs`);
}

function repeat(work: () => void): void {
  for (let i = 0; i < 10_000; i++) work();
}
