import { parseAddress } from '../ipam/address.ts';
import type { NicPlan } from './nic-plan.ts';

/**
 * The Ethernet frames by which a NIC makes itself known: for each IPv4 address a gratuitous ARP request (RFC 5227,
 * section 3), for each IPv6 address an unsolicited neighbour advertisement to all nodes (RFC 4861, section 7.2.6).
 */
export function announcementsOf({ mac, addresses }: Pick<NicPlan, 'mac' | 'addresses'>): Buffer[] {
  const source = Buffer.from(mac.replaceAll(':', ''), 'hex');
  return addresses.flatMap(text => {
    const address = parseAddress(text.slice(0, text.indexOf('/')));
    if (address === undefined) return [];
    const length = address.family === 4 ? 4 : 16;
    const bytes = Buffer.from(address.value.toString(16).padStart(length * 2, '0'), 'hex');
    return [address.family === 4 ? gratuitousArp(source, bytes) : neighbourAdvertisement(source, bytes)];
  });
}

function gratuitousArp(mac: Buffer, address: Buffer): Buffer {
  return Buffer.concat([
    Buffer.alloc(6, 0xff),
    mac,
    // Type ARP; Ethernet, IPv4, their lengths, request.
    Buffer.from('08060001080006040001', 'hex'),
    mac,
    address,
    Buffer.alloc(6),
    address,
  ]);
}

const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex');

function neighbourAdvertisement(mac: Buffer, address: Buffer): Buffer {
  const message = Buffer.concat([
    // Type 136, code, checksum, flag "override".
    Buffer.from('8800000020000000', 'hex'),
    address,
    // Option 2, target link-layer address, 8 bytes long.
    Buffer.from('0201', 'hex'),
    mac,
  ]);
  return icmpv6ToAllNodes(mac, address, message);
}

/**
 * The Ethernet frame of an ICMPv6 message of neighbour discovery to all nodes (RFC 4861).
 *
 * @param message of even length, with a checksum of 0, in the place of which the right one is written.
 */
export function icmpv6ToAllNodes(mac: Buffer, source: Buffer, message: Buffer): Buffer {
  // Pseudo-header: RFC 8200, section 8.1.
  const pseudo = Buffer.concat([source, allNodes, Buffer.from([0, 0, 0, message.length, 0, 0, 0, 58])]);
  message.writeUInt16BE(checksum(Buffer.concat([pseudo, message])), 2);
  const header = Buffer.from('600000000000' + '3aff', 'hex');
  header.writeUInt16BE(message.length, 4);
  return Buffer.concat([
    Buffer.from('333300000001', 'hex'),
    mac,
    Buffer.from('86dd', 'hex'),
    header,
    source,
    allNodes,
    message,
  ]);
}

/** RFC 1071; the length is even. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
