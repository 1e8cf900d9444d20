import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Logger } from '../process/log.ts';
import type { SocketAddress } from '../process/parsers.ts';
import { ClientAddress } from './client.ts';
import type { DnsListener } from './listener.ts';
import type { Responder } from './responder.ts';
import type { Syscalls } from './syscalls.ts';
import { DatagramBatch } from './udpbatch.ts';

export interface UdpOptions {
  readonly responder: Responder;
  readonly log: Logger;
  /** For whole batches at once; without them each datagram goes through Node. */
  readonly syscalls?: Syscalls | undefined;
  /** Several processes share the address (SO_REUSEPORT). */
  readonly reusePort?: boolean;
}

/** Octets that the kernel should keep for us while we are busy; it may give less. */
const receiveBuffer = 4 * 1024 * 1024;

/**
 * Answers on a UDP address. Node tells of a first datagram; with batches all that came behind it are taken and
 * answered at once with it, which costs half as much under load, and saves Node's way to send where it is alone.
 *
 * @throws the socket's error where it cannot be bound.
 */
export async function listenUdp(address: SocketAddress, options: UdpOptions): Promise<DnsListener> {
  const { responder, log, syscalls, reusePort = false } = options;
  const v6 = isIPv6(address.host);
  // The default looks up the address of every packet; ours are literal already.
  const lookup = (host: string, _: unknown, done: (error: null, host: string, family: number) => void) =>
    done(null, host, v6 ? 6 : 4);
  const socket = createSocket({
    type: v6 ? 'udp6' : 'udp4',
    lookup: lookup as never,
    // A socket that is made already has its options.
    reusePort: reusePort && !syscalls,
  });
  const fd = syscalls?.openUdp(address, reusePort);
  await bind(socket, fd === undefined ? { port: address.port, address: address.host } : { fd });
  growReceiveBuffer(socket, log);
  socket.on('error', error => log.error({ err: error }, 'UDP socket failed'));
  const client = new ClientAddress();
  const batch = syscalls && new DatagramBatch(syscalls, responder);
  socket.on('message', (message, from) => {
    const begin = performance.now();
    responder.now = begin;
    let count = 1;
    if (batch !== undefined && fd !== undefined && !isLinkLocal(from))
      count = batch.answer(fd, message, from);
    else answer(socket, responder, client, message, from);
    responder.stats.time('udp', count, performance.now() - begin);
  });
  const bound = socket.address();
  return {
    address: { host: bound.address, port: bound.port },
    async close() {
      // What the kernel had received is read in the next turns of the event loop.
      await new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)));
      await new Promise<void>(resolve => socket.close(resolve));
    },
  };
}

/** Node gives the interface of such an address by its name, which the kernel does not take. */
function isLinkLocal({ family, address }: RemoteInfo): boolean {
  return family === 'IPv6' && address.includes('%');
}

const out = new Uint8Array(65_535);

function answer(
  socket: Socket,
  responder: Responder,
  client: ClientAddress,
  message: Buffer,
  from: RemoteInfo,
): void {
  // Nothing can be sent to port 0; such packets are forged.
  if (from.port === 0) return;
  client.setText(from.address);
  const size = responder.respond(message, message.length, out, 'udp', client);
  // A copy, as a socket that cannot send at once keeps the octets until it can.
  if (size > 0) socket.send(Buffer.copyBytesFrom(out, 0, size), from.port, from.address, ignoreLoss);
}

/** An answer that the kernel does not take is lost like any datagram; the client asks again. */
function ignoreLoss(): void {}

function growReceiveBuffer(socket: Socket, log: Logger): void {
  try {
    socket.setRecvBufferSize(receiveBuffer);
  } catch (error) {
    log.debug({ err: error }, 'receive buffer stays as it is');
  }
}

function bind(socket: Socket, where: { port: number; address: string } | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ ...where, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}
