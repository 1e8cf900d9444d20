import type { Logger } from '../process/log.ts';
import type { LinkMessage } from './link-message.ts';
import { ProbeSocket, type ProbeSocketOptions } from './probe-socket.ts';

/** The socket for probes on whatever tunnel device there is; none while there is no device, or no IPv6 in the kernel. */
export class Probing {
  readonly #options: ProbeSocketOptions;
  readonly #log: Logger;
  #socket: ProbeSocket | undefined;

  constructor(options: ProbeSocketOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  /** Opens the socket where there is none. @param clusterIds who may speak. */
  async keep(clusterIds: readonly string[]): Promise<void> {
    try {
      this.#socket ??= await ProbeSocket.open(this.#options);
    } catch (error) {
      // Without IPv6 in the kernel no link can be measured; packets flow all the same.
      this.#log.warn({ err: error }, 'tunnels cannot be probed');
    }
    this.#socket?.know(clusterIds);
  }

  send(clusterId: string, message: LinkMessage): void {
    this.#socket?.send(clusterId, message);
  }

  /** Until it is kept again. */
  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    await socket?.[Symbol.asyncDispose]();
  }
}
