/**
 * Reads image archives, and sends them without the blobs that the receiver has already.
 *
 * Images of the lab share their big layers; nearly nothing of an image that changed is new to a node.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { listTar, type TarEntry, tarEnd, tarEntry } from './tar-file.ts';

/**
 * `images`: contents are known by digest. `opaque`: a tar file of another kind, which containerd may know.
 */
export type ImageArchive =
  | {
      readonly kind: 'images';
      readonly path: string;
      readonly blobs: readonly Blob[];
      readonly index: string;
    }
  | { readonly kind: 'opaque'; readonly path: string };

export interface Blob {
  /** Such as `sha256:…`. */
  readonly digest: string;
  /** Where it is in the archive, or what it is. */
  readonly content: Pick<TarEntry, 'begin' | 'size'> | Buffer;
}

const copySize = 1 << 20;
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/**
 * Opens an OCI image layout (image-spec v1.1) or a docker-archive in a tar file.
 *
 * @throws Error where the file is no tar file.
 */
export async function openArchive(path: string): Promise<ImageArchive> {
  const file = await open(path);
  try {
    const entries = await listTar(file);
    if (entries === undefined) {
      throw new Error(
        `Cannot load an image as the archive must be an uncompressed tar file: current value is ${path}`,
      );
    }
    return (
      (await openLayout(path, file, entries)) ??
      (await openDockerArchive(path, file, entries)) ?? { kind: 'opaque', path }
    );
  } finally {
    await file.close();
  }
}

async function openLayout(
  path: string,
  file: FileHandle,
  entries: readonly TarEntry[],
): Promise<ImageArchive | undefined> {
  if (!entries.some(({ name }) => name === 'oci-layout')) return undefined;
  const index = await readText(file, entries, 'index.json');
  if (index === undefined) return undefined;
  const blobs = entries.flatMap(entry => {
    const match = /^blobs\/(\w+)\/(\w+)$/.exec(entry.name);
    return match === null ? [] : [{ digest: `${match[1]}:${match[2]}`, content: entry }];
  });
  return { kind: 'images', path, blobs, index: nameImages(index) };
}

interface DockerManifest {
  readonly Config: string;
  readonly RepoTags?: readonly string[] | null;
  readonly Layers: readonly string[];
}

/** A docker-archive whose files are named after their digests, as buildah and skopeo make it. */
async function openDockerArchive(
  path: string,
  file: FileHandle,
  entries: readonly TarEntry[],
): Promise<ImageArchive | undefined> {
  const manifest = await readText(file, entries, 'manifest.json');
  if (manifest === undefined) return undefined;
  const blobs = new Map<string, Blob>();
  const manifests = [];
  for (const { Config, RepoTags, Layers } of JSON.parse(manifest) as DockerManifest[]) {
    const config = namedByDigest(entries, Config, 'application/vnd.oci.image.config.v1+json');
    const layers = Layers.map(name => namedByDigest(entries, name, 'application/vnd.oci.image.layer.v1.tar'));
    if (config === undefined || layers.includes(undefined)) return undefined;
    const parts = [config, ...layers.flatMap(layer => layer ?? [])];
    for (const { entry, descriptor } of parts)
      blobs.set(descriptor.digest, { digest: descriptor.digest, content: entry });
    const [first, ...rest] = parts.map(({ descriptor }) => descriptor);
    const content = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config: first, layers: rest }),
    );
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    blobs.set(digest, { digest, content });
    for (const reference of RepoTags ?? []) {
      manifests.push({
        mediaType: manifestType,
        digest,
        size: content.length,
        annotations: { 'io.containerd.image.name': reference },
      });
    }
  }
  return {
    kind: 'images',
    path,
    blobs: [...blobs.values()],
    index: JSON.stringify({ schemaVersion: 2, manifests }),
  };
}

function namedByDigest(entries: readonly TarEntry[], name: string, mediaType: string) {
  const entry = entries.find(candidate => candidate.name === name);
  const hex = /^([0-9a-f]{64})\.(?:json|tar)$/.exec(name)?.[1];
  if (entry === undefined || hex === undefined) return undefined;
  return { entry, descriptor: { mediaType, digest: `sha256:${hex}`, size: entry.size } };
}

async function readText(
  file: FileHandle,
  entries: readonly TarEntry[],
  name: string,
): Promise<string | undefined> {
  const entry = entries.find(candidate => candidate.name === name);
  if (entry === undefined) return undefined;
  const content = Buffer.alloc(entry.size);
  await file.read(content, 0, entry.size, entry.begin);
  return content.toString();
}

/** Gives each image of an index the annotation that containerd takes a whole reference from. */
export function nameImages(index: string): string {
  const parsed = JSON.parse(index) as { manifests?: { annotations?: Record<string, string> }[] };
  for (const { annotations } of parsed.manifests ?? []) {
    const reference = annotations?.['org.opencontainers.image.ref.name'];
    if (annotations !== undefined && reference?.includes('/'))
      annotations['io.containerd.image.name'] ??= reference;
  }
  return JSON.stringify(parsed);
}

/**
 * An OCI image layout, as a tar file, of all images of the archive, less the blobs that are present.
 *
 * @param present digests such as `sha256:…`. An opaque archive is sent as it is.
 */
export async function* thinArchive(
  archive: ImageArchive,
  present: ReadonlySet<string>,
): AsyncGenerator<Buffer> {
  const file = await open(archive.path);
  try {
    if (archive.kind === 'opaque') {
      yield* readRange(file, 0, (await file.stat()).size);
      return;
    }
    yield* writeFile('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
    yield* writeFile('index.json', Buffer.from(archive.index));
    for (const { digest, content } of archive.blobs) {
      if (present.has(digest)) continue;
      const name = `blobs/${digest.replace(':', '/')}`;
      if (!('begin' in content)) {
        yield* writeFile(name, content);
        continue;
      }
      const { header, padding } = tarEntry(name, content.size);
      yield header;
      yield* readRange(file, content.begin, content.size);
      yield padding;
    }
    yield tarEnd;
  } finally {
    await file.close();
  }
}

function* writeFile(name: string, content: Buffer): Generator<Buffer> {
  const { header, padding } = tarEntry(name, content.length);
  yield* [header, content, padding];
}

async function* readRange(file: FileHandle, begin: number, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < size; at += copySize) {
    const length = Math.min(copySize, size - at);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, begin + at);
    if (bytesRead < length) throw new Error('Cannot send an image as its archive ends too early');
    yield buffer;
  }
}
