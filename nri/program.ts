import { type ChildProcess, spawn } from 'node:child_process';

/** A program that ended with another code than 0. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
}

export interface ProgramOptions {
  readonly input?: string;
  /** Open files that it gets as 3, 4, …. */
  readonly files?: readonly number[];
  readonly signal: AbortSignal;
}

const longestOutput = 16 * 1024 * 1024;
/** Starting a program keeps all else waiting for some milliseconds: not while those who waited for the last one go on. */
const restMs = 20;

/**
 * Runs a program without a shell around it.
 *
 * @returns what it printed.
 * @throws ProgramError with what it said; the signal's reason, when the program is dead.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  { input = '', files = [], signal }: ProgramOptions,
): Promise<string> {
  signal.throwIfAborted();
  return new StartedProgram(command, args, files).finish(input, signal);
}

/**
 * A program of which one is started before it is needed, as starting one takes longer than what it does. It must begin by
 * reading its standard input, and do nothing when that ends at once.
 */
export class ReadyProgram implements Disposable {
  readonly #command: string;
  readonly #args: readonly string[];
  #waiting: StartedProgram | undefined;
  #isClosed = false;

  constructor(command: string, args: readonly string[]) {
    this.#command = command;
    this.#args = args;
  }

  /**
   * Runs it with the input, in the process that waits for one or in a new one.
   *
   * @param onOutput told when it has printed something for the first time.
   * @returns, @throws as {@link runProgram}.
   */
  async run(input: string, signal: AbortSignal, onOutput: () => void): Promise<string> {
    signal.throwIfAborted();
    const program = this.#waiting?.isRunning ? this.#waiting : new StartedProgram(this.#command, this.#args);
    this.#waiting = undefined;
    try {
      return await program.finish(input, signal, onOutput);
    } finally {
      setTimeout(() => this.#prepare(), restMs).unref();
    }
  }

  #prepare(): void {
    if (!this.#isClosed && !this.#waiting?.isRunning)
      this.#waiting = new StartedProgram(this.#command, this.#args);
  }

  /** Ends the process that waits. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#waiting?.kill();
    this.#waiting = undefined;
  }
}

class StartedProgram {
  readonly #child: ChildProcess;
  readonly #result: Promise<string>;

  constructor(command: string, args: readonly string[], files: readonly number[] = []) {
    const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe', ...files] });
    const output: Buffer[] = [];
    let length = 0;
    let complaint = '';
    child.stdout?.on('data', (data: Buffer) => {
      output.push(data);
      length += data.length;
      if (length > longestOutput) child.kill('SIGKILL');
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2_000);
    });
    // It may end without reading all of its input.
    child.stdin?.on('error', () => {});
    this.#child = child;
    this.#result = new Promise((resolve, reject) => {
      child.once('error', error => reject(new ProgramError(`Cannot run ${command}`, { cause: error })));
      child.once('close', (code, killedBy) => {
        if (code === 0) resolve(Buffer.concat(output).toString());
        else reject(new ProgramError(`${command} ended with ${code ?? killedBy}: ${complaint.trim()}`));
      });
    });
    // It may end before anybody asks.
    this.#result.catch(() => {});
  }

  get isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async finish(input: string, signal: AbortSignal, onOutput: () => void = () => {}): Promise<string> {
    const onAbort = () => this.kill();
    signal.addEventListener('abort', onAbort);
    this.#child.stdout?.once('data', onOutput);
    try {
      this.#child.stdin?.end(input);
      return await this.#result;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}
