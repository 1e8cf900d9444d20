import { readFile, writeFile } from 'node:fs/promises';

const switches = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'] as const;

/**
 * Lets packets pass from one device to another.
 *
 * In a pod /proc/sys is read-only, and the node agent or the pod's sysctls have to do it.
 *
 * @throws Error that names the sysctl where it is off and cannot be set.
 */
export async function enableForwarding(): Promise<void> {
  for (const file of switches) {
    const value = await readFile(file, 'utf8').catch(() => undefined);
    // A kernel without IPv6 has no such file.
    if (value === undefined || value.trim() === '1') continue;
    await writeFile(file, '1').catch(cause => {
      const name = file.slice('/proc/sys/'.length).replaceAll('/', '.');
      // A cluster without IPv6 need not forward it.
      if (name.includes('ipv6')) return;
      throw new Error(
        `Cannot be a gateway as the sysctl ${name} must be 1: set it for the pod, or let the node agent do it`,
        { cause },
      );
    });
  }
}
