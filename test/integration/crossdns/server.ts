/** The server as its users start it: a process. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Answer, makeQuery, type QueryOptions, readAnswer } from '../../../crossdns/dnsclient.ts';

const program = fileURLToPath(new URL('../../../cli/nauti.ts', import.meta.url));

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

export class ServerProcess {
  readonly child: ChildProcess;
  readonly log: LogLine[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #exit: Promise<number | null>;
  port = 0;

  /** Starts `nauti` with any arguments. */
  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.#exit = once(this.child, 'exit').then(([code]) => code as number | null);
    const lines = createInterface({ input: this.child.stderr as NodeJS.ReadableStream });
    lines.on('line', text => {
      this.log.push(text.startsWith('{') ? (JSON.parse(text) as LogLine) : { msg: text });
      for (const look of this.#waiting) look();
    });
    lines.on('close', () => {
      for (const look of this.#waiting) look();
    });
  }

  /** Starts `nauti crossdns` on a free port of loopback, and waits until it listens. */
  static start(...args: readonly string[]): Promise<ServerProcess> {
    return ServerProcess.startWith({}, ...args);
  }

  /** The same with variables of the environment. */
  static async startWith(
    environment: Record<string, string>,
    ...args: readonly string[]
  ): Promise<ServerProcess> {
    const server = new ServerProcess(['crossdns', '--listen', '127.0.0.1:0', ...args], environment);
    const line = await server.logged('listening');
    server.port = (line.address as { port: number }).port;
    return server;
  }

  /** The first line with this message, or the next one that comes. @throws Error where the process ends before. */
  logged(message: string, from = 0): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const line = this.log.slice(from).find(({ msg }) => msg === message);
        if (line === undefined && this.child.exitCode === null) return;
        this.#waiting.delete(look);
        if (line) resolve(line);
        else reject(new Error(`ended before "${message}": ${JSON.stringify(this.log)}`));
      };
      this.#waiting.add(look);
      this.child.once('exit', look);
      look();
    });
  }

  /** Asks `name TYPE` over UDP; asks again where no answer comes in a second. */
  async ask(question: string, options: QueryOptions = {}): Promise<Answer> {
    const [name = '', type = ''] = question.split(' ');
    const socket = createSocket('udp4');
    const query = makeQuery(name, type, options);
    const send = () => socket.send(query, this.port, '127.0.0.1');
    const again = setInterval(send, 1_000);
    const late = setTimeout(() => socket.emit('error', new Error(this.#story(question))), 60_000);
    try {
      send();
      const [message] = (await once(socket, 'message')) as [Buffer];
      return readAnswer(message);
    } finally {
      clearInterval(again);
      clearTimeout(late);
      socket.close();
    }
  }

  #story(question: string): string {
    return `no answer to ${question}; its log: ${this.log.map(line => JSON.stringify(line)).join('\n')}`;
  }

  /** Data of the answer section, sorted; else the response code, with NODATA for an empty NOERROR. */
  async data(question: string): Promise<string[] | string> {
    const { rcode, answers } = await this.ask(question);
    if (answers.length > 0) return answers.map(line => line.split(' ').slice(4).join(' ')).sort();
    return rcode === 'NOERROR' ? 'NODATA' : rcode;
  }

  /** Asks until the data is this. @throws Error with the last answer after 60 s. */
  async becomes(question: string, expected: string[] | string): Promise<void> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const data = await this.data(question);
      if (JSON.stringify(data) === JSON.stringify(expected)) return;
      if (performance.now() > deadline) throw new Error(`${question} is ${JSON.stringify(data)}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  /** Tells it to end. @returns its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null) this.child.kill(signal);
    return this.#exit;
  }
}
