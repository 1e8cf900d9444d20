/** Writes container images as an OCI image layout (image-spec v1.1): a directory of blobs, shared by all images in it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface Image {
  /** Such as `docker.io/nauti-lab/nginx:1`. */
  readonly reference: string;
  /** Paths of uncompressed tar files, lowest first. */
  readonly layers: readonly string[];
  readonly config: ImageConfig;
}

export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
  readonly ports?: readonly string[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Fills an empty directory. Layers are linked where the file system allows, else copied. */
export async function writeImageLayout(directory: string, images: readonly Image[]): Promise<void> {
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
  const layers = new Map<string, Descriptor>();
  for (const path of new Set(images.flatMap(image => image.layers))) {
    layers.set(path, await addLayer(directory, path));
  }
  const manifests = [];
  for (const image of images) {
    const own = image.layers.flatMap(path => layers.get(path) ?? []);
    const config = await addJson(
      directory,
      'application/vnd.oci.image.config.v1+json',
      configuration(image, own),
    );
    const manifest = await addJson(directory, 'application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config,
      layers: own,
    });
    manifests.push({ ...manifest, annotations: annotations(image.reference) });
  }
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

/** The second name is containerd's: it takes a whole reference, where the first is a tag by the specification. */
function annotations(reference: string): Record<string, string> {
  return { 'org.opencontainers.image.ref.name': reference, 'io.containerd.image.name': reference };
}

function configuration({ config }: Image, layers: readonly Descriptor[]): object {
  return {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Env: [defaultPath, ...(config.environment ?? [])],
      ...(config.entrypoint && { Entrypoint: config.entrypoint }),
      ...(config.command && { Cmd: config.command }),
      ...(config.ports && { ExposedPorts: Object.fromEntries(config.ports.map(port => [port, {}])) }),
    },
    // An uncompressed layer's digest is also the id of its content.
    rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.digest) },
    // buildah builds on an image only where each layer has its entry.
    history: layers.map(() => ({ created_by: 'nauti lab' })),
  };
}

async function addLayer(directory: string, path: string): Promise<Descriptor> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  const hex = hash.digest('hex');
  const blob = join(directory, 'blobs', 'sha256', hex);
  await link(path, blob).catch(() => copyFile(path, blob));
  const { size } = await stat(path);
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${hex}`, size };
}

async function addJson(directory: string, mediaType: string, value: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(directory, 'blobs', 'sha256', hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}
