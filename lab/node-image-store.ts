/**
 * The containerd directory that a new node starts from, with all of the lab's images unpacked.
 *
 * It is made once for a set of images, by a containerd of its own, and kept in the user's cache. Nodes get it as hard
 * links: blobs and layers are never written to again, as containerd renames new blobs into place and overlayfs keeps
 * lower layers untouched. So a node's images cost neither time nor disk nor page cache. Databases are copied.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from './command.ts';
import { type Image, writeImageLayout } from './image-layout.ts';
import type { NodeImages } from './node.ts';
import { describeNodeImages } from './sample-images.ts';
import { cacheDirectory, toolPath, toolVersion } from './tools.ts';

export interface StoreOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
}

/** Makes the store where it is not there yet. */
export async function ensureNodeImages(options: StoreOptions): Promise<NodeImages> {
  const images = await describeNodeImages(options);
  const key = storeKey(images, await toolVersion('containerd'));
  const store = join(cacheDirectory(), 'images', `store-${key}`);
  if (!existsSync(store)) {
    options.onProgress?.('unpacking images, once for all nodes');
    await makeStore(store, images, options.signal);
  }
  return { fill: directory => linkStore(store, directory) };
}

/** Layer paths carry a hash of their content, so they stand for it. */
export function storeKey(images: readonly Image[], containerdVersion: string): string {
  return createHash('sha256')
    .update(JSON.stringify([containerdVersion, images]))
    .digest('hex')
    .slice(0, 12);
}

async function makeStore(
  store: string,
  images: readonly Image[],
  signal: AbortSignal | undefined,
): Promise<void> {
  await mkdir(dirname(store), { recursive: true });
  // A socket's path must be short, wherever the cache may be.
  const scratch = await mkdtemp('/tmp/nauti-lab-');
  const layout = `${store}.${process.pid}.layout`;
  const root = `${store}.${process.pid}.partial`;
  try {
    await writeImageLayout(layout, images);
    await writeFile(join(scratch, 'config.toml'), storeConfiguration(root, scratch));
    const script = [
      'containerd=$1 ctr=$2 scratch=$3 layout=$4',
      '"$containerd" --config "$scratch/config.toml" --log-level warn & daemon=$!',
      'until "$ctr" --address "$scratch/sock" version >/dev/null 2>&1; do kill -0 $daemon; sleep 0.1; done',
      'tar --create --directory="$layout" . | "$ctr" --address "$scratch/sock" --namespace k8s.io images import -',
      'kill $daemon; wait $daemon || true',
    ].join('\n');
    await run(
      'unshare',
      [
        ...['--mount', '--pid', '--fork', '--mount-proc', '--kill-child'],
        ...['sh', '-euc', script, 'sh', toolPath('containerd'), toolPath('ctr'), scratch, layout],
      ],
      signal ? { signal } : {},
    );
    // rename(2) of a directory onto a full one fails: another caller was faster, with the same content.
    await run('mv', ['--no-target-directory', root, store]).catch(error => {
      if (!existsSync(store)) throw error;
    });
  } finally {
    for (const directory of [scratch, layout, root]) await rm(directory, { recursive: true, force: true });
  }
}

function storeConfiguration(root: string, state: string): string {
  return [
    'version = 3',
    `root = ${JSON.stringify(root)}`,
    `state = ${JSON.stringify(join(state, 'state'))}`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]',
    '[grpc]',
    `address = ${JSON.stringify(join(state, 'sock'))}`,
    '',
  ].join('\n');
}

/** Copies a store by hard links, its databases truly. */
async function linkStore(store: string, target: string): Promise<void> {
  // Across file systems no link is possible.
  await run('cp', ['--archive', '--link', store, target]).catch(async () => {
    await rm(target, { recursive: true, force: true });
    await run('cp', ['--archive', '--reflink=auto', store, target]);
  });
  for (const path of await databases(target)) {
    await run('cp', ['--archive', '--remove-destination', join(store, path), join(target, path)]);
  }
}

/** containerd's databases, by path below its root: one file in each plugin's directory. */
async function databases(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const plugin of await readdir(root)) {
    for (const file of await readdir(join(root, plugin)).catch(() => [])) {
      if (file.endsWith('.db')) found.push(join(plugin, file));
    }
  }
  return found;
}
