/**
 * The lab's cgroups: `nauti-lab/<part>/<program>` in every hierarchy of the machine, version 1 or 2.
 *
 * They are also the record of what runs: a process of the lab cannot leave them, so nothing depends on pid files.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './until.ts';

export const rootCgroup = 'nauti-lab';

export interface Hierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  readonly cpuset: boolean;
}

/** The hierarchies that a machine's /proc/self/mountinfo lists. */
export function parseHierarchies(mountinfo: string): Hierarchy[] {
  return mountinfo.split('\n').flatMap(line => {
    const fields = line.split(' ');
    const separator = fields.indexOf('-');
    const [type, , options = ''] = fields.slice(separator + 1);
    const mountPoint = fields[4];
    if (separator < 0 || mountPoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    return [
      {
        mountPoint,
        version: type === 'cgroup' ? (1 as const) : (2 as const),
        cpuset: options.split(',').includes('cpuset'),
      },
    ];
  });
}

async function hierarchies(): Promise<Hierarchy[]> {
  const found = parseHierarchies(await readFile('/proc/self/mountinfo', 'utf8'));
  if (found.length === 0)
    throw new Error('Cannot run the lab as a cgroup file system must be mounted on this machine');
  return found;
}

/** The hierarchy whose membership tells what runs: version 2 where there is one. */
function tracking(all: readonly Hierarchy[]): Hierarchy {
  const found = all.find(({ version }) => version === 2) ?? all[0];
  if (found === undefined) throw new Error('Cannot find processes of the lab as the machine has no cgroups');
  return found;
}

/** Makes a cgroup below the lab's, such as `hub/etcd`, in all hierarchies. @returns its `cgroup.procs` files. */
export async function createCgroup(path: string): Promise<string[]> {
  const files: string[] = [];
  for (const hierarchy of await hierarchies()) {
    let directory = hierarchy.mountPoint;
    for (const part of [rootCgroup, ...path.split('/')]) {
      const parent = directory;
      directory = join(parent, part);
      if (hierarchy.version === 2) await delegateControllers(parent);
      await mkdir(directory, { recursive: true });
      if (hierarchy.cpuset) await copyCpuset(parent, directory);
    }
    files.push(join(directory, 'cgroup.procs'));
  }
  return files;
}

/** Version 1: a cpuset takes no process before it has processors and memory. */
async function copyCpuset(parent: string, child: string): Promise<void> {
  for (const name of ['cpuset.cpus', 'cpuset.mems']) {
    if (!existsSync(join(child, name))) continue;
    if ((await readFile(join(child, name), 'utf8')).trim() !== '') continue;
    await writeFile(join(child, name), await readFile(join(parent, name)));
  }
}

/** Version 2: children have the controllers that their parent hands down; a parent with processes has none to hand. */
async function delegateControllers(directory: string): Promise<void> {
  const available = (await readFile(join(directory, 'cgroup.controllers'), 'utf8')).trim();
  if (available === '') return;
  const enable = available.split(' ').map(name => `+${name}`);
  await writeFile(join(directory, 'cgroup.subtree_control'), enable.join(' '));
}

/** Process ids in a cgroup of the lab and all below; the whole lab's where no path is given. */
export async function processesIn(path = ''): Promise<number[]> {
  const all = await hierarchies();
  const directory = join(tracking(all).mountPoint, rootCgroup, path);
  const pids: number[] = [];
  for (const child of await descendants(directory)) {
    const text = await readFile(join(child, 'cgroup.procs'), 'utf8').catch(() => '');
    pids.push(...text.split('\n').filter(Boolean).map(Number));
  }
  // Id 0 stands for a process that this process's own pid namespace does not show.
  return pids.filter(pid => pid > 0);
}

/** SIGKILLs all processes of a cgroup and waits until they are gone. */
export async function killCgroup(path = '', signal?: AbortSignal): Promise<void> {
  await until(
    async () => {
      const pids = await processesIn(path);
      for (const pid of pids) kill(pid);
      return pids.length === 0;
    },
    {
      what: `the end of all processes in the cgroup ${join(rootCgroup, path)}`,
      timeout: 30_000,
      interval: 50,
      signal,
      detail: async () => `still there: ${(await processesIn(path)).join(', ')}`,
    },
  );
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Ends all processes of a cgroup of the lab and removes it, deepest first, from all hierarchies. */
export async function removeCgroup(path = '', signal?: AbortSignal): Promise<void> {
  await killCgroup(path, signal);
  for (const { mountPoint } of await hierarchies()) {
    const directory = join(mountPoint, rootCgroup, path);
    // A cgroup stays busy for a moment after its last process, and one that was just being started may still come.
    await until(
      async () => {
        for (const pid of await processesIn(path)) kill(pid);
        for (const child of (await descendants(directory)).reverse()) await rmdir(child).catch(() => {});
        return !existsSync(directory);
      },
      { what: `the removal of ${directory}`, timeout: 30_000, interval: 50, signal },
    );
  }
}

/** The lab's top cgroups that exist. */
export async function findCgroups(): Promise<string[]> {
  return (await hierarchies())
    .map(({ mountPoint }) => join(mountPoint, rootCgroup))
    .filter(directory => existsSync(directory));
}

/** A cgroup's directory and all below, parents first; none where it does not exist. */
async function descendants(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return [];
  const below = await Promise.all(
    entries.filter(entry => entry.isDirectory()).map(entry => descendants(join(directory, entry.name))),
  );
  return [directory, ...below.flat()];
}
