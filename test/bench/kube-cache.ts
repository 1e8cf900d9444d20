/**
 * What it costs to hold 10,000 EndpointSlices of 10 endpoints: our cache beside the informer of @kubernetes/client-node,
 * on the same API server, in turns, each in a process of its own.
 *
 *     node test/bench/kube-cache.ts [--slices 10000] [--rounds 3]
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startControlPlane } from '../../lab/control-plane.ts';
import { storeSlices } from './kube-cache-slices.ts';
import type { Figures } from './kube-cache-subject.ts';

const subjects = ['nauti', 'nauti-whole', 'client-node'] as const;

const { values: options } = parseArgs({
  options: { slices: { type: 'string', default: '10000' }, rounds: { type: 'string', default: '3' } },
});
const slices = Number(options.slices);

const directory = await mkdtemp(join(tmpdir(), 'nauti-bench-'));
const plane = await startControlPlane({ directory });
try {
  const storedMs = await storeSlices(plane.kubeconfig, slices);
  print(`${slices} EndpointSlices of 10 endpoints stored in ${Math.round(storedMs)} ms`);
  const figures = new Map<string, Figures[]>();
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const subject of subjects) {
      const one = await measure(subject);
      figures.set(subject, [...(figures.get(subject) ?? []), one]);
      print(`round ${round + 1} ${subject.padEnd(12)} ${text(one)}`);
    }
  }
  print('');
  // What else runs on the machine only adds: the least is the program's own.
  for (const [what, choose] of [
    ['median', median],
    ['least', least],
  ] as const) {
    const chosen = (subject: string) => summary(figures.get(subject) ?? [], choose);
    for (const subject of subjects) print(`${what.padEnd(7)} ${subject.padEnd(12)} ${text(chosen(subject))}`);
    const [own, peer] = [chosen('nauti'), chosen('client-node')];
    const ratio = (field: keyof Figures) => (peer[field] / own[field]).toFixed(1);
    print(
      `${what.padEnd(7)} client-node / nauti: synced ${ratio('syncedMs')}, block ${ratio('longestBlockMs')}, bytes an object ${ratio('bytesAnObject')}, RSS ${ratio('rssMb')}`,
    );
  }
} finally {
  await plane.stop();
  await rm(directory, { recursive: true, force: true });
}

function measure(subject: (typeof subjects)[number]): Promise<Figures> {
  const child = fork(
    fileURLToPath(new URL('./kube-cache-subject.ts', import.meta.url)),
    [subject, plane.kubeconfig, String(slices)],
    { execArgv: ['--expose-gc'] },
  );
  return new Promise((resolve, reject) => {
    let result: Figures | undefined;
    child.on('message', message => {
      result = message as Figures;
    });
    child.on('error', reject);
    child.on('exit', code => {
      if (result !== undefined && code === 0) resolve(result);
      else
        reject(
          new Error(`Cannot measure ${subject} as its process must end with 0: current value is ${code}`),
        );
    });
  });
}

function summary(all: readonly Figures[], choose: (values: number[]) => number): Figures {
  const of = (field: keyof Figures) => choose(all.map(one => one[field]));
  return {
    loadMs: of('loadMs'),
    syncedMs: of('syncedMs'),
    longestBlockMs: of('longestBlockMs'),
    bytesAnObject: of('bytesAnObject'),
    rssMb: of('rssMb'),
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function least(values: number[]): number {
  return Math.min(...values);
}

function text({ loadMs, syncedMs, longestBlockMs, bytesAnObject, rssMb }: Figures): string {
  return `loaded ${loadMs.toFixed(0)} ms, synced ${syncedMs.toFixed(0)} ms, longest block ${longestBlockMs.toFixed(1)} ms, ${bytesAnObject.toFixed(0)} bytes an object, RSS ${rssMb.toFixed(0)} MB`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
