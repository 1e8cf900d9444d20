import { constants } from 'node:fs';
import { type FileHandle, open, stat, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/** statfs(2) of what is a namespace. */
const nsfsMagic = 0x6e736673;

/** A path from the runtime that is not one of a pod's network namespace. */
export class NetnsError extends Error {
  override readonly name = 'NetnsError';
}

/**
 * Opens a pod's network namespace. What is open stays the same namespace, whatever happens to the path afterwards.
 *
 * Legal: a file directly in one of `directories`, not by a symbolic link, that is a namespace, and not the node's own.
 * That it is one of the kind "network" the kernel checks on entering it.
 *
 * @throws NetnsError that says what is wrong; ENOENT where it is torn down already.
 */
export async function openNetns(path: string, directories: readonly string[]): Promise<FileHandle> {
  if (!directories.includes(dirname(path)) || !/^[\w][-.\w]*$/.test(basename(path)) || path.length > 4_096) {
    throw new NetnsError(
      `Cannot enter a network namespace as its path must be directly in ${directories.join(' or ')}: current value is ${JSON.stringify(path.slice(0, 300))}`,
    );
  }
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ELOOP') throw error;
      throw new NetnsError(`Cannot enter ${path} as it must not be a symbolic link`, { cause: error });
    },
  );
  try {
    const { type } = await statfs(`/proc/self/fd/${handle.fd}`);
    if (type !== nsfsMagic) throw new NetnsError(`Cannot enter ${path} as it must be a network namespace`);
    const [opened, own] = await Promise.all([handle.stat({ bigint: true }), ownNetns()]);
    if (opened.ino === own.ino && opened.dev === own.dev) {
      throw new NetnsError(`Cannot enter ${path} as it must not be the node's own network namespace`);
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function ownNetns(): Promise<{ ino: bigint; dev: bigint }> {
  return stat('/proc/self/ns/net', { bigint: true });
}
