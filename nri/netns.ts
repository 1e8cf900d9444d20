import { type BigIntStats, closeSync, constants, fstatSync, openSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** statfs(2) of what is a namespace. */
const nsfsMagic = 0x6e736673;

/** A path from the runtime that is not one of a pod's network namespace. */
export class NetnsError extends Error {
  override readonly name = 'NetnsError';
}

/** A network namespace that is open. Who has opened it closes it. */
export class Netns implements Disposable {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/**
 * Opens a pod's network namespace. What is open stays the same namespace, whatever happens to the path afterwards.
 *
 * Legal: a file directly in one of `directories`, not by a symbolic link, that is a namespace, and not the node's own.
 * That it is one of the kind "network" the kernel checks on entering it.
 *
 * @throws NetnsError that says what is wrong; ENOENT where it is torn down already.
 */
export function openNetns(path: string, directories: readonly string[]): Netns {
  if (!directories.includes(dirname(path)) || !/^[\w][-.\w]*$/.test(basename(path)) || path.length > 4_096) {
    throw new NetnsError(
      `Cannot enter a network namespace as its path must be directly in ${directories.join(' or ')}: current value is ${JSON.stringify(path.slice(0, 300))}`,
    );
  }
  // Not by promises: what is asked is in memory, and a pod's start waits for each way through another thread.
  const fd = openFile(path);
  try {
    const { type } = statfsSync(`/proc/self/fd/${fd}`);
    if (type !== nsfsMagic) throw new NetnsError(`Cannot enter ${path} as it must be a network namespace`);
    if (isSame(fstatSync(fd, { bigint: true }), statSync('/proc/self/ns/net', { bigint: true })))
      throw new NetnsError(`Cannot enter ${path} as it must not be the node's own network namespace`);
    return new Netns(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error;
    throw new NetnsError(`Cannot enter ${path} as it must not be a symbolic link`, { cause: error });
  }
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}
