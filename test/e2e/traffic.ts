import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from './eventually.ts';
import { startKubectl } from './kubectl.ts';
import { run, type Toolbox } from './toolbox.ts';

/** What somebody in a pod saw of an outage. */
export interface Seen {
  readonly sent: number;
  readonly lost: number;
  /** Longest time between two answers to pings, in milliseconds, by the clock of the pod. */
  readonly longestMs: number;
  /** Longest time in which nothing came on a TCP connection, in milliseconds; undefined where it was closed. */
  readonly stallMs: number | undefined;
}

const intervalMs = 10;
const port = 9_400;

/** A ping each 10 ms and one TCP connection, on which a line goes there and back each 20 ms, from one pod to another. */
export class Traffic {
  readonly #client: Toolbox;
  readonly #server: Toolbox;
  readonly #children: ChildProcess[] = [];
  #pings = '';
  /** Settles when the last words of ping are there. */
  #pinged: Promise<unknown> = Promise.resolve();
  #arrivals: number[] = [];
  #isClosed = false;

  private constructor(client: Toolbox, server: Toolbox) {
    this.#client = client;
    this.#server = server;
  }

  /** Starts both, and waits until they flow. */
  static async start(client: Toolbox, server: Toolbox, address: string): Promise<Traffic> {
    const traffic = new Traffic(client, server);
    try {
      await traffic.#begin(address);
      return traffic;
    } catch (error) {
      await traffic.end();
      throw error;
    }
  }

  async #begin(address: string): Promise<void> {
    this.#inPod(this.#server, `rm -f /tmp/echo; mkfifo /tmp/echo; nc -l ${port} <> /tmp/echo > /tmp/echo`);
    await eventually(
      'a server that listens',
      60_000,
      () => run(this.#server, 'ss', '-Hltn', `sport = :${port}`),
      ({ stdout }) => stdout !== '',
    );
    const lines = 'while :; do echo x; sleep 0.02; done';
    const stream = this.#inPod(this.#client, `${lines} | nc ${address} ${port}; echo closed`);
    stream.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#arrivals.push(performance.now());
      if (text.includes('closed')) this.#isClosed = true;
    });
    const ping = this.#inPod(this.#client, `exec ping -n -D -i ${intervalMs / 1000} ${address}`);
    this.#pinged = once(ping, 'close');
    ping.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#pings += text;
    });
    await this.flows();
    this.#arrivals = this.#arrivals.slice(-1);
  }

  #inPod({ cluster, namespace, name }: Toolbox, script: string): ChildProcess {
    const child = startKubectl(cluster, ['exec', '-n', namespace, name, '--', 'sh', '-c', script]);
    this.#children.push(child);
    return child;
  }

  get #answered(): number {
    return this.#pings.split('icmp_seq=').length - 1;
  }

  /** Waits for so many more answers to pings, and lines. */
  async flows(more = 50): Promise<void> {
    const [answered, lines] = [this.#answered, this.#arrivals.length];
    await eventually(
      `${more} more packets`,
      60_000,
      async () => [this.#answered - answered, this.#arrivals.length - lines, this.#isClosed],
      ([pings = 0, arrivals = 0, isClosed]) =>
        Number(pings) > more && (isClosed === true || Number(arrivals) > more / 4),
    );
  }

  async end(): Promise<Seen> {
    await run(this.#client, 'pkill', '-INT', '-x', 'ping');
    const stallMs = this.#isClosed ? undefined : Math.round(longestGap(this.#arrivals));
    await this.#pinged;
    await Promise.all([this.#client, this.#server].map(box => run(box, 'pkill', '-x', 'nc')));
    for (const child of this.#children) child.kill();
    const answers = [...this.#pings.matchAll(/^\[(\d+\.\d+)\] .*bytes from .*icmp_seq=(\d+)/gm)];
    const times = answers.map(([, at]) => Number(at) * 1_000).sort((a, b) => a - b);
    const sequence = new Set(answers.map(([, , number]) => Number(number)));
    const sent = Number(/(\d+) packets transmitted/.exec(this.#pings)?.[1] ?? 0);
    const lost = Math.max(0, ...sequence) - sequence.size;
    return { sent, lost, longestMs: Math.round(longestGap(times)), stallMs };
  }
}

function longestGap(ordered: readonly number[]): number {
  return Math.max(0, ...ordered.map((at, index) => at - (ordered[index - 1] ?? at)));
}

/** A row of the table of outages. */
export function rowOf(what: string, { sent, lost, longestMs, stallMs }: Seen): string {
  return `| ${what} | ${sent} | ${lost} | ${longestMs} | ${stallMs ?? 'ended'} |`;
}

export const tableHead =
  '| what | pings | lost | longest, ms | TCP stalls, ms |\n| --- | --- | --- | --- | --- |';
