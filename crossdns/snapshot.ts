import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Catalog, Service } from './catalog.ts';
import type { ServiceRecord } from './records.ts';

/**
 * The catalog as a file, so that a server that starts while no source can be reached answers at once.
 *
 * Lines of JSON: a head, a pair of key and record each, and a last line with the SHA-256 of all before it. It is
 * written beside its place and then renamed, so that a reader never sees half of one.
 */
interface Head {
  readonly format: 'nauti-crossdns-snapshot';
  readonly version: 1;
  /** RFC 3339. */
  readonly written: string;
}

/** The file is there, but it is not a snapshot that can be used. */
export class UnusableSnapshot extends Error {
  override readonly name = 'UnusableSnapshot';
}

export interface Snapshot {
  /** Milliseconds since 1970. */
  readonly written: number;
  readonly records: readonly (readonly [key: string, record: ServiceRecord])[];
}

/** Octets that are gathered before they are written, and the work that is done before others have their turn. */
const chunkSize = 64 * 1024;

/**
 * @returns undefined where there is no file.
 * @throws UnusableSnapshot
 */
export async function readSnapshot(path: string): Promise<Snapshot | undefined> {
  let octets: Buffer;
  try {
    octets = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return parseSnapshot(octets);
}

/** @throws UnusableSnapshot */
export function parseSnapshot(octets: Buffer): Snapshot {
  const end = octets.lastIndexOf(0x0a, octets.length - 2) + 1;
  const sum = octets.toString('latin1', end).trimEnd();
  const expected = `sha256:${createHash('sha256').update(octets.subarray(0, end)).digest('hex')}`;
  if (sum !== expected) throw new UnusableSnapshot('Cannot use the snapshot as its checksum is wrong');
  const [first = '', ...lines] = octets.toString('utf8', 0, end).trimEnd().split('\n');
  const head = JSON.parse(first) as Partial<Head>;
  if (head.format !== 'nauti-crossdns-snapshot' || head.version !== 1) {
    throw new UnusableSnapshot(
      `Cannot use the snapshot as its version must be 1: current value is ${JSON.stringify(head.version)}`,
    );
  }
  // The checksum says that we wrote it, in this version: the records need no parser.
  return {
    written: Date.parse(head.written ?? ''),
    records: lines.map(line => JSON.parse(line) as [string, ServiceRecord]),
  };
}

/** Writes the catalog as it is, in steps between which others have their turn. */
export async function writeSnapshot(path: string, catalog: Catalog): Promise<void> {
  const beside = `${path}.new`;
  const file = await open(beside, 'w', 0o600);
  try {
    await writeAll(file, catalog);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(beside, { force: true });
    throw error;
  }
  await file.close();
  await rename(beside, path);
  await syncDirectory(dirname(path));
}

async function writeAll(file: FileHandle, catalog: Catalog): Promise<void> {
  const hash = createHash('sha256');
  const head: Head = { format: 'nauti-crossdns-snapshot', version: 1, written: new Date().toISOString() };
  let chunk = `${JSON.stringify(head)}\n`;
  const flush = async () => {
    hash.update(chunk);
    await file.writeFile(chunk);
    chunk = '';
  };
  for (const service of [...catalog.services()]) {
    chunk += linesOf(service);
    if (chunk.length >= chunkSize) await flush();
  }
  await flush();
  await file.writeFile(`sha256:${hash.digest('hex')}\n`);
}

function linesOf(service: Service): string {
  let lines = '';
  for (const entry of service.imports) lines += `${JSON.stringify(entry)}\n`;
  for (const entry of service.slices) lines += `${JSON.stringify(entry)}\n`;
  return lines;
}

/** The new name is only safe when the directory is on the disk. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
