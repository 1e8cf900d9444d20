/** dnsperf, and what the kernel says that a process used. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The server has one core for itself, whoever asks it the other. */
export const [serverCore, clientCore] = ['0', '1'] as const;

/** Node's options, as the chart gives them to crossdns. */
export const nodeFlags: readonly string[] = ['--max-semi-space-size=4'];

export interface Load {
  readonly completed: number;
  readonly lost: number;
  readonly output: string;
}

/** Runs dnsperf on its core against a port of loopback, with the questions of a file. */
export async function dnsperf(port: number, file: string, ...args: string[]): Promise<Load> {
  const output = await new Promise<string>((resolve, reject) => {
    const child = spawn(
      'taskset',
      ['-c', clientCore, 'dnsperf', '-s', '127.0.0.1', '-p', String(port), '-d', file, ...args],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const chunks: Buffer[] = [];
    child.stdout.on('data', chunk => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', () => resolve(Buffer.concat(chunks).toString()));
  });
  const number = (label: string) => Number(new RegExp(`${label}:\\s+(\\d+)`).exec(output)?.[1] ?? 0);
  return { completed: number('Queries completed'), lost: number('Queries lost'), output };
}

/** Milliseconds that each query took at a steady rate, in ascending order. */
export async function latencies(
  port: number,
  file: string,
  { rate, seconds }: { rate: number; seconds: number },
): Promise<Float64Array> {
  const { output } = await dnsperf(
    port,
    file,
    ...['-v', '-Q', String(rate), '-l', String(seconds), '-c', '4', '-q', '200'],
  );
  const times = Float64Array.from(
    output.matchAll(/^> \S+ \S+ \S+ ([\d.]+)$/gm),
    match => Number(match[1]) * 1e3,
  );
  return times.sort();
}

/** CPU time of a process so far, in seconds. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * Resident memory in MB (2^20): `all`, and `own`, which is without the pages of files, such as the program's text, that
 * any number of processes share.
 */
export function residentMegabytes(pid: number): { readonly all: number; readonly own: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const value = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
  return { all: value('VmRSS'), own: value('RssAnon') };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** @param share from 0 to 1. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
