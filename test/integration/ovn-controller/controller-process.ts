import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../../../lab/until.ts';
import { freePort } from '../../../ovsdb-client/testing/programs.ts';

/** An ovn-controller as a process of its own, as it runs in a cluster. */
export class ControllerProcess {
  readonly #child: ChildProcess;
  readonly #port: number;
  #log = '';

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#port = port;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-100_000);
    });
  }

  /**
   * @param args flags besides those of logging and probes.
   * @param directory its working directory; ours where it is not given.
   */
  static async start(args: readonly string[], directory = process.cwd()): Promise<ControllerProcess> {
    const port = await freePort();
    const cli = fileURLToPath(new URL('../../../cli/nauti.ts', import.meta.url));
    const child = spawn(
      'setpriv',
      // The kernel ends it with this process, whatever ends that.
      ['--pdeathsig', 'KILL', '--', process.execPath, cli, 'ovn-controller', ...args],
      {
        cwd: directory,
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          PATH: process.env.PATH,
          NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
          NAUTI_HTTP_LISTEN: `127.0.0.1:${port}`,
        },
      },
    );
    return new ControllerProcess(child, port);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The end of what it logged. */
  get log(): string {
    return this.#log;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async leading(timeout = 60_000): Promise<void> {
    await until(() => this.#log.includes('took the switch over'), {
      what: 'the controller leading',
      timeout,
      interval: 2,
      detail: () => this.#log,
    });
  }

  /** Waits until it knows what a leader must know, whoever leads. */
  async prepared(timeout = 60_000): Promise<void> {
    await until(async () => (await this.readiness()) === 'ok\n', {
      what: 'the controller being ready',
      timeout,
      interval: 20,
      detail: () => this.#log,
    });
  }

  /** What /readyz says; empty while it does not listen. */
  readiness(): Promise<string> {
    return fetch(`http://127.0.0.1:${this.#port}/readyz`).then(
      answer => answer.text(),
      () => '',
    );
  }

  /** Resolves with its exit code when it has ended. */
  async ended(): Promise<number | null> {
    if (this.isRunning) await once(this.#child, 'close');
    return this.#child.exitCode;
  }

  /** The value of a metric, summed over its labels that match. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#port}/metrics`)).text();
    return text
      .split('\n')
      .filter(line => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)) && line.includes(labels))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'close');
    this.#child.kill(signal);
    await ended;
  }
}
