/**
 * The Ethernet frame of a router advertisement to all nodes (RFC 4861, section 4.2), as any pod could send one: it says that
 * the router is there for an hour.
 */
export function routerAdvertisement(): Buffer {
  const mac = '0200000000aa';
  const source = Buffer.from('fe80000000000000000000fffe0000aa', 'hex');
  const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex');
  // Type 134, code, checksum, hop limit, flags, lifetime, reachable and retransmission time; option 1: its MAC.
  const message = Buffer.from(
    `860000004000${(3_600).toString(16).padStart(4, '0')}${'0'.repeat(16)}0101${mac}`,
    'hex',
  );
  const pseudo = Buffer.concat([
    source,
    allNodes,
    Buffer.from([0, 0, 0, message.length, 0, 0, 0, 58]),
    message,
  ]);
  let sum = 0;
  for (let at = 0; at < pseudo.length; at += 2) sum += pseudo.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  message.writeUInt16BE(~sum & 0xffff, 2);
  const header = Buffer.from('60000000' + '0000' + '3aff', 'hex');
  header.writeUInt16BE(message.length, 4);
  const ethernet = Buffer.from(`333300000001${mac}86dd`, 'hex');
  return Buffer.concat([ethernet, header, source, allNodes, message]);
}
