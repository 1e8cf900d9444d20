/**
 * Resolves a name over and over at a fixed rate, each query by itself, and prints one JSON line a query.
 * Started by the tests inside a node's network: node probe.ts SERVER NAME RATE
 */
import { createSocket } from 'node:dgram';

const [server = '', name = '', rateText = '50'] = process.argv.slice(2);
/** A client's patience with one server, in milliseconds: that of resolv.conf(5). */
const patience = 5_000;
const socket = createSocket('udp4');
const open = new Map<number, { sentAt: number; timer: NodeJS.Timeout }>();
let id = 0;
let stopping = false;

socket.on('message', packet => {
  const query = open.get(packet.readUInt16BE(0));
  if (query === undefined) return;
  clearTimeout(query.timer);
  const rcode = packet.readUInt8(3) & 0x0f;
  close(
    packet.readUInt16BE(0),
    query.sentAt,
    rcode === 0 && packet.readUInt16BE(6) > 0 ? 'answered' : `rcode ${rcode}`,
  );
});
socket.on('error', error => process.stderr.write(`${error.message}\n`));

const ticker = setInterval(() => {
  id = (id + 1) & 0xffff;
  const own = id;
  const sentAt = Date.now();
  const timer = setTimeout(() => close(own, sentAt, 'timeout'), patience);
  open.set(own, { sentAt, timer });
  socket.send(encodeQuery(own, name), 53, server, error => {
    if (error) process.stderr.write(`${error.message}\n`);
  });
}, 1000 / Number(rateText));

process.on('SIGTERM', () => {
  clearInterval(ticker);
  stopping = true;
  if (open.size === 0) process.exit(0);
});

function close(own: number, sentAt: number, outcome: string): void {
  open.delete(own);
  process.stdout.write(`${JSON.stringify({ sentAt, outcome })}\n`);
  if (stopping && open.size === 0) process.exit(0);
}

function encodeQuery(queryId: number, domain: string): Buffer {
  const labels = domain
    .split('.')
    .map(label => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
  const header = Buffer.from([queryId >> 8, queryId & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}
