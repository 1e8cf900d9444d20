/** Asks the DNS server of a cluster until it answers what is expected. */
import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeQuery, readAnswer } from '../../crossdns/dnsclient.ts';

export class DnsProbe {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #waiting = new Map<number, (answers: readonly string[]) => void>();
  #nextId = 1;

  constructor(port: number) {
    this.#port = port;
    this.#socket = createSocket('udp4');
    this.#socket.on('message', message => {
      const { id, answers } = readAnswer(message);
      this.#waiting.get(id)?.(answers);
      this.#waiting.delete(id);
    });
    // A server that is not there yet: the question is asked again.
    this.#socket.on('error', () => undefined);
  }

  /**
   * Milliseconds of performance.now() at which the first answer with the address arrived. It is asked for every
   * 2 ms at first, and less often the longer it takes, so that the questions are not what takes the time.
   */
  async answered(name: string, address: string, signal: AbortSignal): Promise<number> {
    const beganAt = performance.now();
    for (;;) {
      const answers = await this.#ask(name);
      if (answers.some(line => line.endsWith(` ${address}`))) return performance.now();
      const pause = Math.min(Math.max((performance.now() - beganAt) / 50, 2), 200);
      await sleep(pause, undefined, { signal });
    }
  }

  close(): void {
    this.#socket.close();
  }

  #ask(name: string): Promise<readonly string[]> {
    const id = this.#nextId;
    this.#nextId = (this.#nextId % 65_535) + 1;
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        resolve([]);
      }, 500);
      this.#waiting.set(id, answers => {
        clearTimeout(timer);
        resolve(answers);
      });
      this.#socket.send(makeQuery(name, 'A', { id, edns: { udpSize: 4096 } }), this.#port, '127.0.0.1');
    });
  }
}
