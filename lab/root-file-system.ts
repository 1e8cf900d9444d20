/** Root file systems of Debian packages, as tar files in the user's cache. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import { findDebianMirror } from './debian-mirror.ts';
import { cacheDirectory } from './tools.ts';

/** Debian 13: its Open vSwitch is the first whose userspace datapath survives connection tracking. */
const suite = 'trixie';

export interface RootFileSystemOptions {
  readonly packages: readonly string[];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
}

/** @returns the path of a tar file with a minimal Debian and the given packages. */
export async function ensureRootFileSystem(options: RootFileSystemOptions): Promise<string> {
  const { packages, signal, onProgress } = options;
  const directory = join(cacheDirectory(), 'images');
  const path = join(directory, `${suite}-${contentKey(packages)}.tar`);
  if (existsSync(path)) return path;
  await mkdir(directory, { recursive: true });
  onProgress?.(`making a Debian ${suite} root file system of ${packages.length} packages (about 25 s)`);
  const mirror = await machineMirror();
  const partial = `${path}.partial.tar`;
  const scratch = `${path}.scratch`;
  await run(
    'flock',
    [
      ...[`${path}.lock`, 'sh', '-euc', makeOnce, 'sh', path, partial, scratch],
      ...['mmdebstrap', '--quiet', '--variant=minbase', '--mode=root', `--include=${packages.join(',')}`],
      ...['man', 'doc', 'locale', 'info'].map(name => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      // Of the package debian-archive-keyring: the machine's own may be of another distribution.
      '--keyring=/usr/share/keyrings/debian-archive-keyring.gpg',
      ...['--aptopt=Acquire::Retries "3"', suite, partial, ...(mirror === undefined ? [] : [mirror])],
    ],
    { ...(signal && { signal }) },
  );
  return path;
}

// In a mount namespace of its own and with its scratch directory in ours, an interrupted run leaves no trace outside.
const makeOnce = `path=$1 partial=$2 scratch=$3; shift 3
test -f "$path" && exit 0
rm -rf "$partial" "$scratch"; mkdir -p "$scratch"
TMPDIR=$scratch unshare --mount --pid --fork --mount-proc --kill-child "$@"
mv "$partial" "$path"; rm -rf "$scratch"`;

/** Changes with everything that the content depends on. */
export function contentKey(packages: readonly string[]): string {
  return createHash('sha256')
    .update([suite, ...packages].join('\n'))
    .digest('hex')
    .slice(0, 12);
}

async function machineMirror(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1];
  if (codename === undefined) return undefined;
  const directory = '/etc/apt/sources.list.d';
  const names = await readdir(directory).catch(() => []);
  const files = ['/etc/apt/sources.list', ...names.sort().map(name => join(directory, name))];
  const texts = await Promise.all(files.map(file => readFile(file, 'utf8').catch(() => '')));
  return findDebianMirror(texts, codename);
}
