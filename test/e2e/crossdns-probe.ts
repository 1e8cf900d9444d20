/**
 * Looks names up at a fixed rate as libc does, each with a socket of its own, and once again after SERVFAIL or 5 s without
 * an answer (resolv.conf(5): timeout, attempts). Prints one JSON line a lookup.
 * Started by the tests inside a node's network: node crossdns-probe.ts SERVER NAME RATE udp|tcp
 *
 * Every second lookup is of a name below NAME that nobody asked for before and that does not exist: no cache has it, so
 * that the zone's own server must answer.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { makeQuery, readAnswer } from '../../crossdns/dnsclient.ts';

const [server = '', name = '', rate = '200', transport = 'udp'] = process.argv.slice(2);
/** For one try, in milliseconds. */
const patience = 5_000;
const attempts = 2;
const run = Math.random().toString(36).slice(2, 8);
let number = 0;
let open = 0;
let stopping = false;

const ticker = setInterval(() => {
  number++;
  const fresh = number % 2 === 1;
  const asked = fresh ? `${run}-${number}.${name}` : name;
  const query = makeQuery(asked, 'A', { id: number & 0xffff });
  const sentAt = Date.now();
  open++;
  const ask = transport === 'tcp' ? askTcp : askUdp;
  const tried: string[] = [];
  const done = (message: Uint8Array | undefined) => {
    tried.push(judge(message, fresh));
    if (tried.at(-1) !== 'answered' && tried.length < attempts) {
      ask(query, done);
      return;
    }
    open--;
    process.stdout.write(`${JSON.stringify({ sentAt, took: Date.now() - sentAt, tried })}\n`);
    if (stopping && open === 0) process.exit(0);
  };
  ask(query, done);
}, 1_000 / Number(rate));

process.on('SIGTERM', () => {
  clearInterval(ticker);
  stopping = true;
  if (open === 0) process.exit(0);
});

function judge(message: Uint8Array | undefined, fresh: boolean): string {
  if (message === undefined) return 'timeout';
  const { rcode, answers } = readAnswer(message);
  const right = fresh ? rcode === 'NXDOMAIN' : rcode === 'NOERROR' && answers.length > 0;
  return right ? 'answered' : rcode;
}

function askUdp(query: Buffer, done: (message: Uint8Array | undefined) => void): void {
  const socket = createSocket('udp4');
  const end = (message?: Uint8Array) => {
    clearTimeout(late);
    socket.removeAllListeners();
    socket.close();
    done(message);
  };
  const late = setTimeout(end, patience);
  socket.on('message', end);
  socket.on('error', () => end());
  socket.send(query, 53, server);
}

function askTcp(query: Buffer, done: (message: Uint8Array | undefined) => void): void {
  const socket = connect(53, server);
  let received = Buffer.alloc(0);
  const end = (message?: Uint8Array) => {
    clearTimeout(late);
    socket.removeAllListeners();
    socket.on('error', () => undefined);
    socket.destroy();
    done(message);
  };
  const late = setTimeout(end, patience);
  socket.on('connect', () =>
    socket.write(Buffer.concat([Buffer.of(query.length >> 8, query.length & 255), query])),
  );
  socket.on('data', chunk => {
    received = Buffer.concat([received, chunk]);
    if (received.length > 2 && received.length >= 2 + received.readUInt16BE(0)) end(received.subarray(2));
  });
  socket.on('error', () => end());
  socket.on('end', () => end());
}
