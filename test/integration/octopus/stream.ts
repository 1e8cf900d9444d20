import { type ChildProcess, spawn } from 'node:child_process';
import type { Network } from './network.ts';

/** One TCP connection between two pods, on which a line goes there and back each 20 ms. */
export class Stream {
  readonly #server: ChildProcess;
  readonly #client: ChildProcess;
  #arrivals: number[] = [];
  #isClosed = false;

  /** @param to address of the pod at `server`. */
  constructor(network: Network, client: string, server: string, to: string) {
    const inside = (part: string, script: string) =>
      spawn(
        'setpriv',
        [
          '--pdeathsig',
          'KILL',
          '--',
          'ip',
          'netns',
          'exec',
          network.name(part),
          process.execPath,
          '-e',
          script,
        ],
        { stdio: ['ignore', 'pipe', 'ignore'] },
      );
    this.#server = inside(server, "require('net').createServer(s => s.pipe(s)).listen(9400)");
    this.#client = inside(
      client,
      `const connect = () => { const s = require('net').connect(9400, '${to}', () => {
        setInterval(() => s.write('x\\n'), 20); s.on('data', d => process.stdout.write(d)); s.on('close', () => process.stdout.write('closed\\n')); });
        s.on('error', () => setTimeout(connect, 50)); }; connect()`,
    );
    this.#client.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#arrivals.push(performance.now());
      if (text.includes('closed')) this.#isClosed = true;
    });
  }

  /** Times at which something came back. */
  get count(): number {
    return this.#arrivals.length;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Longest time in which nothing came back, in milliseconds. */
  get longestMs(): number {
    return Math.round(
      Math.max(0, ...this.#arrivals.map((at, index) => at - (this.#arrivals[index - 1] ?? at))),
    );
  }

  end(): void {
    this.#server.kill('SIGKILL');
    this.#client.kill('SIGKILL');
  }
}
