/** Runs programs of the machine to their end, and says in words what became of one that failed. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { pipeline } from 'node:stream/promises';

export interface CommandOptions {
  readonly signal?: AbortSignal;
  /** Added to the environment of this process; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Text or bytes for standard input; without it the program reads an empty one. */
  readonly input?: string | AsyncIterable<Buffer>;
  /** Called with what the program writes to standard output and standard error, as it comes. */
  readonly onOutput?: (text: string) => void;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that could not be started, or ended with another code than 0. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly result: CommandResult | undefined;

  constructor(message: string, result?: CommandResult, cause?: unknown) {
    super(message, { cause });
    this.result = result;
  }
}

/**
 * Runs a program and returns its standard output.
 *
 * @throws CommandError with the command and the end of its output, where it did not exit with 0.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await tryRun(command, args, options);
  if (result.code === 0) return result.stdout;
  throw new CommandError(
    `${commandLine(command, args)} ended with code ${result.code}: ${lastLines(result.stderr || result.stdout)}`,
    result,
  );
}

/** Runs a program; its exit code is the caller's business. 128 + n stands for a signal. */
export function tryRun(
  command: string,
  args: readonly string[],
  { signal, env, cwd, input, onOutput }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    // The kernel ends the program when this process ends, whatever ends it.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(signal && { signal }),
      ...(cwd !== undefined && { cwd }),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onOutput?.(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      onOutput?.(text);
    });
    // A program that ends before it has read all of its input closes the pipe: its exit code tells the rest.
    child.stdin.on('error', () => {});
    if (typeof input === 'object') pipeline(input, child.stdin).catch(cause => child.stdin.destroy(cause));
    else child.stdin.end(input ?? '');
    child.on('error', cause => {
      if (signal?.aborted) return reject(signal.reason);
      reject(
        new CommandError(`Cannot run ${commandLine(command, args)}: ${cause.message}`, undefined, cause),
      );
    });
    child.on('close', (code, killedBy) => {
      if (signal?.aborted) return reject(signal.reason);
      resolve({ code: code ?? 128 + constants.signals[killedBy ?? 'SIGKILL'], stdout, stderr });
    });
  });
}

function commandLine(command: string, args: readonly string[]): string {
  const line = [command, ...args].join(' ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

/** The end of a text: what a person needs to see of a log. */
export function lastLines(text: string, count = 12): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
