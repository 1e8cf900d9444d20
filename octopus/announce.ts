import { createSocket } from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { formatAddress, parseAddress } from '../ipam/address.ts';
import { addressAt, parseCidr } from '../ipam/cidr.ts';
import type { Logger } from '../process/log.ts';

/** Discard (RFC 863). */
const port = 9;

/**
 * Asks the kernel to tell the neighbours of addresses that come to a device. Where /proc/sys is read-only, as in most
 * pods, {@link announceAddresses} does what it can.
 */
export async function letNeighboursKnow(device: string): Promise<void> {
  for (const name of [`ipv4/conf/${device}/arp_notify`, `ipv6/conf/${device}/ndisc_notify`]) {
    await writeFile(`/proc/sys/net/${name}`, '1').catch(() => undefined);
  }
}

/**
 * Lets the neighbours of an address learn that it is here now.
 *
 * Without raw sockets the kernel has to speak: a packet from the address to one that nobody has (the second of the
 * block, which is never given out) makes it ask for that one by broadcast, and whoever knows the asker takes the
 * asker's new MAC (RFC 826, "Packet Reception"). IPv6 neighbours find out by their own reachability checks.
 *
 * @param addresses with prefix length.
 */
export async function announceAddresses(addresses: readonly string[], log: Logger): Promise<void> {
  for (const text of addresses) {
    const [own = '', prefix = ''] = text.split('/');
    const address = parseAddress(own);
    if (address === undefined || address.family !== 4) continue;
    const size = 1n << BigInt(32 - Number(prefix));
    const base = address.value - (address.value % size);
    const block = parseCidr(`${formatAddress({ family: 4, value: base })}/${prefix}`);
    if (block === undefined || size < 4n) continue;
    const socket = createSocket('udp4');
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind({ address: own, port: 0 }, resolve);
      });
      await new Promise<void>(resolve => {
        socket.send('', port, formatAddress(addressAt(block, 2n)), () => resolve());
      });
    } catch (error) {
      log.warn({ err: error, address: text }, 'gateway address could not be announced');
    } finally {
      socket.close();
    }
  }
}
