/** Programs of Open vSwitch and OVN for tests, and their processes. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Names a root file system whose programs are used instead of the machine's, for example an unpacked Debian 13. */
export const rootVariable = 'OVS_TEST_ROOT';

const directories = ['usr/sbin', 'usr/bin'];

/** The command line that runs a program, by its own loader and libraries where it is from another root file system. */
export function commandLine(program: string, args: readonly string[]): readonly [string, string[]] {
  const root = process.env[rootVariable];
  if (root === undefined || root === '') return [program, [...args]];
  const path = directories.map(directory => join(root, directory, program)).find(existsSync);
  if (path === undefined) throw new Error(`Cannot run ${program} as it must be in ${root}`);
  const loader = join(root, 'lib64/ld-linux-x86-64.so.2');
  return [loader, ['--library-path', join(root, 'usr/lib/x86_64-linux-gnu'), path, ...args]];
}

/** The schema that comes with a package: `ovn/ovn-nb.ovsschema`. */
export function sharedFile(path: string): string {
  return join(process.env[rootVariable] || '/', 'usr/share', path);
}

/** Runs a program to its end. @returns what it printed. */
export async function runProgram(program: string, ...args: readonly string[]): Promise<string> {
  const [command, words] = commandLine(program, args);
  const { stdout } = await execute(command, words, { maxBuffer: 256 * 1024 * 1024 });
  return stdout;
}

/** First line of `--version`, so that a test's report says what it ran on. */
export async function versionOf(program: string): Promise<string> {
  return (await runProgram(program, '--version')).split('\n', 1)[0] ?? '';
}

/** A program that runs until it is stopped, or this process ends. */
export class RunningProgram {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';

  constructor(program: string, args: readonly string[]) {
    const [command, words] = commandLine(program, args);
    // The kernel ends it with this process, whatever ends that.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (text: string) => {
      this.#output = (this.#output + text).slice(-20_000);
    };
    this.#child.stdout?.setEncoding('utf8').on('data', keep);
    this.#child.stderr?.setEncoding('utf8').on('data', keep);
    this.#ended = new Promise(resolve => {
      this.#child.on('error', () => resolve());
      this.#child.on('close', () => resolve());
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of what it printed. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends it at once. */
  async stop(): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** Looks again and again until a condition holds. @throws Error that names it when the time is up. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
    await delay(10);
  }
}

/** Below the ports that Linux gives to who asks for any (from 32768), and to Services of type NodePort (from 30000). */
const [firstPort, portCount] = [16_000, 14_000];
let taken = 0;

/**
 * A port of 127.0.0.1 that nobody has, for TCP and UDP. It is still free when it is taken, and while its server is away: the
 * kernel gives none of these to anybody by itself, nor to a client that would then be connected to itself.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    // A process beside this one begins elsewhere.
    const port = firstPort + ((process.pid * 61 + taken++) % portCount);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const socket = createSocket('udp4');
  try {
    await once(server, 'listening');
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    socket.close();
    await new Promise(resolve => server.close(resolve));
  }
}
