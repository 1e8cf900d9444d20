/** Images for pods of the lab without a registry: built with buildah, loaded into the nodes' containerd. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import { type ImageArchive, openArchive, thinArchive } from './image-archive.ts';
import { type Image, writeImageLayout } from './image-layout.ts';
import { containerdSocket, isNodeRunning } from './node.ts';
import { runningTopology } from './registry.ts';
import { baseImage, describeBaseImage } from './sample-images.ts';
import { cacheDirectory, toolPath } from './tools.ts';
import { allNodes, clusterNamed, type NodeSpec } from './topology.ts';

export interface Progress {
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/**
 * Makes the image that the product's own is built on in the lab: Debian 13 with Open vSwitch, OVN, WireGuard, nftables,
 * iproute2, ethtool and conntrack, and Node at /usr/local/bin/node.
 *
 * @returns a reference that `buildImage` knows, for a build argument that names the base.
 */
export async function ensureBaseImage(progress: Progress = {}): Promise<string> {
  const image = await describeBaseImage(progress);
  await withBuildah(async buildah => {
    const marker = join(buildahDirectory(), 'base.json');
    const wanted = JSON.stringify(image);
    if ((await readFile(marker, 'utf8').catch(() => '')) === wanted) return;
    progress.onProgress?.('adding the base image to the image store');
    await addToBuildah(buildah, image, progress.signal);
    await writeFile(marker, wanted);
  });
  return baseImage;
}

export interface BuildOptions extends Progress {
  /** Directory that the Dockerfile's COPY takes from. */
  readonly context: string;
  /** Path of the Dockerfile. */
  readonly dockerfile: string;
  /** Name of the image, such as `localhost/nauti:dev`. */
  readonly tag: string;
  readonly args?: Readonly<Record<string, string>>;
}

/**
 * Builds a Dockerfile. Steps whose input is unchanged come from a cache.
 *
 * @returns the path of an archive (docker-archive, uncompressed layers) for `loadImage`, kept until the image changes.
 */
export async function buildImage({
  context,
  dockerfile,
  tag,
  args = {},
  signal,
  onProgress,
}: BuildOptions): Promise<string> {
  return withBuildah(async buildah => {
    const options = { env: { BUILDAH_ISOLATION: 'chroot' }, ...(signal && { signal }) };
    onProgress?.(`building ${tag}`);
    const idFile = join(buildahDirectory(), `id-${process.pid}`);
    await run(
      'buildah',
      [
        ...buildah('build'),
        ...['--layers', '--pull=never', '--format=oci', '--timestamp=0', '--file', dockerfile, '--tag', tag],
        ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
        ...['--iidfile', idFile, context],
      ],
      options,
    );
    const id = (await readFile(idFile, 'utf8')).trim().replace(/^sha256:/, '');
    await rm(idFile);
    const name = tag.replaceAll(/[^a-zA-Z0-9.-]+/g, '_');
    const archive = join(cacheDirectory(), 'images', `${name}@${id.slice(0, 12)}.tar`);
    if (existsSync(archive)) return archive;
    onProgress?.(`saving ${tag}`);
    const partial = `${archive}.partial`;
    await rm(partial, { force: true });
    await run('buildah', [...buildah('push'), tag, `docker-archive:${partial}:${tag}`], options);
    for (const old of await readdir(join(cacheDirectory(), 'images'))) {
      if (old.startsWith(`${name}@`) && !old.endsWith('.partial'))
        await rm(join(cacheDirectory(), 'images', old));
    }
    await rename(partial, archive);
    return archive;
  });
}

/**
 * Loads an image archive into the nodes of a running lab.
 *
 * A node gets only what it has not got, where blobs are named by digest, as they are in what `buildImage` makes.
 *
 * @param clusters all of the running ones where not given.
 */
export async function loadImage(
  path: string,
  clusters?: readonly string[],
  progress: Progress = {},
): Promise<void> {
  if (!existsSync(path))
    throw new Error(`Cannot load an image as the archive must exist: current value is ${path}`);
  const topology = await runningTopology();
  const chosen = clusters?.map(name => clusterNamed(topology, name)) ?? topology.clusters;
  const archive = await openArchive(path);
  await Promise.all(
    allNodes({ ...topology, clusters: chosen }).map(async node => {
      // A node that is down now has no image to miss: pods that want it say so when it comes back.
      if (!(await isNodeRunning(node))) return progress.onProgress?.(`${node.name} is not running, left out`);
      await loadInto(node, archive, progress);
    }),
  );
}

async function loadInto(
  node: NodeSpec,
  archive: ImageArchive,
  { signal, onProgress }: Progress,
): Promise<void> {
  const address = ['--address', await containerdSocket(node), '--namespace', 'k8s.io'];
  const options = signal ? { signal } : {};
  const present = await run(toolPath('ctr'), [...address, 'content', 'ls', '--quiet'], options);
  await run(toolPath('ctr'), [...address, 'images', 'import', '-'], {
    ...options,
    input: thinArchive(archive, new Set(present.split('\n'))),
  });
  onProgress?.(`loaded into ${node.name}`);
}

function buildahDirectory(): string {
  return join(cacheDirectory(), 'buildah');
}

/** Arguments that keep buildah's store in the user's cache, for a subcommand. */
type BuildahArguments = (subcommand: string) => string[];

/**
 * Runs buildah commands on a store of the lab's own. Its record of mounts lives as long as one call, so that an
 * interrupted one leaves no mount that a later one believes in.
 */
async function withBuildah<T>(work: (buildah: BuildahArguments) => Promise<T>): Promise<T> {
  await mkdir(buildahDirectory(), { recursive: true });
  const runRoot = await mkdtemp('/tmp/nauti-buildah-');
  const policy = join(buildahDirectory(), 'policy.json');
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const registries = join(buildahDirectory(), 'registries.conf');
  await writeFile(registries, 'unqualified-search-registries = []\n');
  const store = [
    '--root',
    join(buildahDirectory(), 'storage'),
    '--runroot',
    runRoot,
    '--storage-driver',
    'overlay',
  ];
  try {
    return await work(subcommand => [
      ...store,
      ...['--registries-conf', registries, subcommand],
      ...(['build', 'pull', 'push'].includes(subcommand) ? ['--signature-policy', policy] : []),
    ]);
  } finally {
    await rm(runRoot, { recursive: true, force: true });
  }
}

async function addToBuildah(
  buildah: BuildahArguments,
  image: Image,
  signal: AbortSignal | undefined,
): Promise<void> {
  // buildah makes a name of the image of this path, which has no place for a directory such as .cache.
  const layout = `/tmp/nauti-layout-${process.pid}`;
  try {
    await writeImageLayout(layout, [image]);
    const options = signal ? { signal } : {};
    const id = await run(
      'buildah',
      [...buildah('pull'), '--quiet', `oci:${layout}:${image.reference}`],
      options,
    );
    await run('buildah', [...buildah('tag'), id.trim(), image.reference], options);
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}
