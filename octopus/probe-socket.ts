import { createSocket, type Socket } from 'node:dgram';
import { tunnelAddress } from './key.ts';
import { decodeMessage, encodeMessage, type LinkMessage } from './link-message.ts';

export interface ProbeSocketOptions {
  readonly device: string;
  readonly self: string;
  readonly port: number;
  readonly receive: (clusterId: string, message: LinkMessage) => void;
}

/**
 * The socket inside the tunnels. WireGuard lets a packet in only where its source is an address of the peer that sent
 * it, and each gateway has one address that is made of its cluster's id: so the address says who speaks.
 */
export class ProbeSocket implements AsyncDisposable {
  readonly #options: ProbeSocketOptions;
  readonly #socket: Socket;
  readonly #ids = new Map<string, string>();

  private constructor(options: ProbeSocketOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    socket.on('message', (bytes, { address }) => {
      const id = this.#ids.get(address.split('%')[0] ?? '');
      const message = id === undefined ? undefined : decodeMessage(bytes);
      if (id !== undefined && message !== undefined) options.receive(id, message);
    });
  }

  /** @throws the socket's error where the device or its address is not there. */
  static async open(options: ProbeSocketOptions): Promise<ProbeSocket> {
    const socket = createSocket({ type: 'udp6', ipv6Only: true, reuseAddr: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('error', reject);
    socket.bind({ port: options.port, address: `${tunnelAddress(options.self)}%${options.device}` }, resolve);
    try {
      await promise;
    } catch (error) {
      socket.close();
      throw error;
    }
    socket.off('error', reject);
    const open = new ProbeSocket(options, socket);
    // A device that goes away makes sends fail; probes that are not answered tell the rest.
    socket.on('error', () => {});
    return open;
  }

  /** Who may speak. */
  know(clusterIds: Iterable<string>): void {
    this.#ids.clear();
    for (const id of clusterIds) this.#ids.set(tunnelAddress(id), id);
  }

  send(clusterId: string, message: LinkMessage): void {
    const { device, port } = this.#options;
    // A datagram that cannot be sent is a lost one.
    this.#socket.send(encodeMessage(message), port, `${tunnelAddress(clusterId)}%${device}`, () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.close(resolve);
    await promise;
  }
}
