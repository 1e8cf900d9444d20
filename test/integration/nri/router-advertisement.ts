import { icmpv6ToAllNodes } from '../../../nri/announcement.ts';

/**
 * The Ethernet frame of a router advertisement to all nodes (RFC 4861, section 4.2), as any pod could send one: it says that
 * the router is there for an hour.
 */
export function routerAdvertisement(): Buffer {
  const mac = Buffer.from('0200000000aa', 'hex');
  const source = Buffer.from('fe80000000000000000000fffe0000aa', 'hex');
  const message = Buffer.concat([
    // Type 134, code, checksum, hop limit, flags, lifetime of 3,600 s, reachable and retransmission time.
    Buffer.from('8600000040000e100000000000000000', 'hex'),
    // Option 1, source link-layer address, 8 bytes long.
    Buffer.from('0101', 'hex'),
    mac,
  ]);
  return icmpv6ToAllNodes(mac, source, message);
}
