/** The machine's one lab: which checkout it belongs to, and who may change it. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { processesIn } from './cgroups.ts';
import { stateDirectory } from './paths.ts';
import { checkout } from './tools.ts';
import {
  clusterNames,
  describeTopology,
  type PodNetworks,
  podNetworkModes,
  type Topology,
} from './topology.ts';

/** Known to all checkouts. */
export const registryDirectory = '/run/nauti-lab';
const recordFile = join(registryDirectory, 'lab.json');

export interface LabRecord {
  readonly checkout: string;
  /** Absolute path of all that the lab writes. */
  readonly state: string;
  readonly podNetworks: PodNetworks;
  /** Names of the clusters that were asked for. */
  readonly clusters: readonly string[];
  /** ISO 8601 */
  readonly since: string;
}

export type LabState =
  | { readonly kind: 'none' }
  /** Something is left of a lab, but nothing of it runs. */
  | { readonly kind: 'dead'; readonly record: LabRecord }
  | { readonly kind: 'running'; readonly record: LabRecord; readonly own: boolean };

export async function readLabState(): Promise<LabState> {
  const record = parseRecord(await readFile(recordFile, 'utf8').catch(() => ''));
  if (record === undefined) return { kind: 'none' };
  if ((await processesIn()).length === 0) return { kind: 'dead', record };
  return { kind: 'running', record, own: record.checkout === checkout };
}

/** @returns undefined for text that is no record of a lab. */
export function parseRecord(text: string): LabRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { checkout, state, podNetworks, clusters, since } = value as Record<string, unknown>;
  const mode = podNetworkModes.find(candidate => candidate === podNetworks);
  if (typeof checkout !== 'string' || typeof state !== 'string' || typeof since !== 'string')
    return undefined;
  if (mode === undefined || !Array.isArray(clusters)) return undefined;
  const names = clusters.filter(name => clusterNames.includes(name));
  return { checkout, state, podNetworks: mode, clusters: names, since };
}

export async function writeRecord(topology: Topology, since: string): Promise<void> {
  const record: LabRecord = {
    checkout,
    state: stateDirectory,
    podNetworks: topology.podNetworks,
    clusters: topology.clusters.map(cluster => cluster.name),
    since,
  };
  await mkdir(registryDirectory, { recursive: true });
  await writeFile(`${recordFile}.partial`, `${JSON.stringify(record, undefined, 2)}\n`);
  await rename(`${recordFile}.partial`, recordFile);
}

export async function removeRecord(): Promise<void> {
  await rm(recordFile, { force: true });
}

/** The topology of this checkout's lab. @throws Error where it is not running. */
export async function runningTopology(): Promise<Topology> {
  const state = await readLabState();
  if (state.kind !== 'running')
    throw new Error('Cannot use the lab as it is not running: start it by "npm run lab -- up"');
  if (!state.own) throw foreignLab(state.record);
  return describeTopology(state.record.podNetworks, state.record.clusters);
}

export function foreignLab(record: LabRecord): Error {
  return new Error(
    `Cannot use the lab as a machine runs only one, and the one that runs since ${record.since} belongs to ${record.checkout}: ` +
      'use it there, or end it by "npm run lab -- down"',
  );
}

// A name in the kernel's abstract space (unix(7)): it leaves no file, and is free as soon as its owner is dead.
const lockName = '\0nauti-lab';

/**
 * Runs work while no other process of this machine changes the lab; waits for one that does.
 *
 * @param onWait called where there is one.
 */
export async function withLabLock<T>(work: () => Promise<T>, onWait: () => void): Promise<T> {
  let lock = await tryLock();
  if (lock === undefined) onWait();
  while (lock === undefined) {
    await ownerGone();
    lock = await tryLock();
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}

function tryLock(): Promise<{ release(): void } | undefined> {
  return new Promise((resolve, reject) => {
    const waiting = new Set<Socket>();
    const server = createServer(socket => {
      waiting.add(socket.on('error', () => {}).on('close', () => waiting.delete(socket)));
    });
    const release = () => {
      server.close();
      for (const socket of waiting) socket.destroy();
    };
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(lockName, () => resolve({ release }));
  });
}

/** Resolves when the owner of the lock gives it back or ends: its end of the connection closes. */
function ownerGone(): Promise<void> {
  return new Promise(resolve => {
    const socket = connect(lockName);
    socket.on('error', () => {}).on('close', () => resolve());
    socket.resume();
  });
}
