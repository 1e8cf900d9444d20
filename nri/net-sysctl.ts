import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../process/log.ts';

/**
 * Where network settings are written: a process sees those of the network namespace that it is in, whichever mount of
 * `/proc/sys/net` it looks through. A container has its own only for reading.
 *
 * @returns an empty text where the kernel has no IPv6, so that there is nothing to set, and where they cannot be written,
 * which is logged: pods then believe the router advertisements of other pods.
 */
export async function findNetSysctl(directory: string, log: Logger): Promise<string> {
  try {
    await access(join(directory, 'ipv6/conf/all/accept_ra'), constants.W_OK);
    return directory;
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isAbsent && (await hasNo('/proc/sys/net/ipv6'))) return '';
    log.warn(
      { err: error, directory },
      'network settings cannot be written: NICs take router advertisements',
    );
    return '';
  }
}

function hasNo(path: string): Promise<boolean> {
  return access(path).then(
    () => false,
    () => true,
  );
}
