import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../api/meta.ts';
import { objectKey } from '../../api/meta.ts';
import { orAborted } from '../abort.ts';
import { changes } from '../changes.ts';
import { readServiceRecord, type ServiceRecord } from '../records.ts';
import type { Source, SourceContext } from './source.ts';

/** A file larger than this is refused, in octets. */
const maxFile = 64 * 1024 * 1024;

/**
 * Manifests in a directory: files that end in .yaml, .yml or .json, with any number of objects each, Lists included.
 *
 * A file that cannot be read as manifests, or has become empty, is an error in the log, and what it said before stays. The directory is
 * watched, also where its content is swapped as a whole, as Kubernetes does with a mounted ConfigMap.
 */
export class DirectorySource implements Source {
  readonly name: string;
  readonly #path: string;
  readonly #context: SourceContext;
  /** The keys of the objects of each file, and the checksum of the text that they were read from. */
  readonly #files = new Map<string, { sum: string; keys: ReadonlySet<string> }>();
  /** Checksums of texts that were refused, so that each is logged once. */
  readonly #refused = new Map<string, string>();
  readonly #firstScan = Promise.withResolvers<void>();
  #synced = false;

  constructor(path: string, context: SourceContext) {
    this.name = `directory ${path}`;
    this.#path = path;
    this.#context = context;
  }

  get synced(): boolean {
    return this.#synced;
  }

  untilSynced(signal: AbortSignal): Promise<void> {
    return orAborted(this.#firstScan.promise, signal);
  }

  /** @throws the file system's error where the directory cannot be read or watched at the start. */
  async run(signal: AbortSignal): Promise<void> {
    for await (const _ of changes(this.#path, signal)) await this.#scan();
  }

  /** Makes the catalog what the directory is now. */
  async #scan(): Promise<void> {
    let names: string[];
    try {
      names = (await readdir(this.#path)).filter(
        name => /\.(ya?ml|json)$/.test(name) && !name.startsWith('.'),
      );
    } catch (error) {
      if (!this.#synced) throw error;
      this.#context.log.error({ err: error, path: this.#path }, 'directory cannot be read');
      return;
    }
    for (const name of names.sort()) await this.#readFile(name);
    for (const [name, file] of this.#files) {
      if (names.includes(name)) continue;
      for (const key of file.keys) this.#context.catalog.set(key, undefined);
      this.#files.delete(name);
    }
    for (const name of this.#refused.keys()) if (!names.includes(name)) this.#refused.delete(name);
    this.#synced = true;
    this.#firstScan.resolve();
  }

  async #readFile(name: string): Promise<void> {
    const path = join(this.#path, name);
    let sum = '';
    try {
      const text = await readFile(path, 'utf8');
      sum = createHash('sha256').update(text).digest('base64');
      if (sum === this.#files.get(name)?.sum || sum === this.#refused.get(name)) return;
      // Whoever writes a file in its place empties it first, and we may look in between.
      if (text === '' && this.#files.has(name))
        throw new Error('Cannot use the file as it must not be empty');
      this.#apply(name, sum, this.#read(name, text));
      this.#refused.delete(name);
    } catch (error) {
      // Between the listing and the reading it may have gone; the next scan sees to that.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.#refused.set(name, sum);
      this.#context.log.error({ err: error, path }, 'file refused, its former content stays');
    }
  }

  #read(file: string, text: string): Map<string, ServiceRecord> {
    if (text.length > maxFile) {
      throw new Error(
        `Cannot read the file as its size must be at most ${maxFile}: current value is ${text.length}`,
      );
    }
    const records = new Map<string, ServiceRecord>();
    for (const object of file.endsWith('.json') ? parseJson(text) : parseManifests(text)) {
      const record = readServiceRecord(object, this.#context.localNamespace);
      const key = objectKey(object.metadata.namespace, object.metadata.name ?? '');
      if (record) records.set(`${this.#path}/${file}:${object.kind}:${key}`, record);
    }
    return records;
  }

  #apply(name: string, sum: string, records: ReadonlyMap<string, ServiceRecord>): void {
    const before = this.#files.get(name)?.keys ?? new Set<string>();
    for (const key of before) if (!records.has(key)) this.#context.catalog.set(key, undefined);
    for (const [key, record] of records) this.#context.catalog.set(key, record);
    this.#files.set(name, { sum, keys: new Set(records.keys()) });
    this.#context.log.info({ file: name, objects: records.size }, 'file read');
  }
}

/**
 * The objects of a file of manifests, in YAML (of which JSON is a part).
 *
 * @throws Error that says what is wrong, and where.
 */
export function parseManifests(text: string): KubeObject[] {
  const objects: KubeObject[] = [];
  for (const document of parseAllDocuments(text)) {
    const error = document.errors[0];
    if (error) throw error;
    collect(document.toJS({ maxAliasCount: 100 }), objects);
  }
  return objects;
}

/** The objects of a file of JSON, which is read a hundred times as fast as YAML. */
function parseJson(text: string): KubeObject[] {
  const objects: KubeObject[] = [];
  collect(JSON.parse(text), objects);
  return objects;
}

function collect(value: unknown, objects: KubeObject[]): void {
  if (value === null || value === undefined) return;
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new Error(
      `Cannot read the document as it must be an object: current value is ${JSON.stringify(value).slice(0, 100)}`,
    );
  }
  const { kind, items, metadata } = value as { kind?: unknown; items?: unknown; metadata?: unknown };
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    for (const item of items) collect(item, objects);
    return;
  }
  const name = (metadata as { name?: unknown } | null | undefined)?.name;
  if (typeof kind !== 'string' || typeof name !== 'string') {
    throw new Error('Cannot read the document as it must be an object with kind and metadata.name');
  }
  objects.push(value as KubeObject);
}
