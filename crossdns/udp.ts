import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Logger } from '../process/log.ts';
import type { SocketAddress } from '../process/parsers.ts';
import type { DnsListener } from './listener.ts';
import type { Responder } from './responder.ts';

/**
 * Answers on a UDP address.
 *
 * @throws the socket's error where it cannot be bound.
 */
export async function listenUdp(
  address: SocketAddress,
  responder: Responder,
  log: Logger,
): Promise<DnsListener> {
  const family = address.host.includes(':') ? 'udp6' : 'udp4';
  // The default looks up the address of every packet; ours are literal already.
  const lookup = (host: string, _: unknown, done: (error: null, host: string, family: number) => void) =>
    done(null, host, family === 'udp6' ? 6 : 4);
  const socket = createSocket({ type: family, lookup: lookup as never });
  await bind(socket, address);
  socket.on('error', error => log.error({ err: error }, 'UDP socket failed'));
  socket.on('message', (message, from) => answer(socket, responder, message, from));
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

const out = new Uint8Array(65_535);

function answer(socket: Socket, responder: Responder, message: Buffer, from: RemoteInfo): void {
  // Nothing can be sent to port 0; such packets are forged.
  if (from.port === 0) return;
  const size = responder.respond(message, message.length, out, 'udp');
  // A copy, as a socket that cannot send at once keeps the octets until it can.
  if (size > 0) socket.send(Buffer.copyBytesFrom(out, 0, size), from.port, from.address, ignoreLoss);
}

/** An answer that the kernel does not take is lost like any datagram; the client asks again. */
function ignoreLoss(): void {}

function bind(socket: Socket, address: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port: address.port, address: address.host, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}
