import { spawn } from 'node:child_process';

/** A program could not be started, or ended with another code than 0. Its input, which may hold keys, is not repeated. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly code: number | undefined;
  readonly stderr: string;

  constructor(command: string, code: number | undefined, stderr: string, cause?: unknown) {
    const why =
      code === undefined
        ? (cause as Error | undefined)?.message
        : `code ${code}: ${stderr.trim().slice(-600)}`;
    super(`Cannot run ${command} as it ended with ${why}`, { cause });
    this.code = code;
    this.stderr = stderr;
  }
}

export interface RunOptions {
  /** Written to standard input. Keys go here and never into arguments, which everybody on the machine can read. */
  readonly input?: string;
  readonly signal?: AbortSignal | undefined;
}

/** No program of ours works for longer; one that hangs must not hang the gateway. Milliseconds. */
const timeLimitMs = 10_000;

/**
 * Runs a program to its end.
 *
 * @returns standard output.
 * @throws ProgramError; the signal's reason when it is aborted.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  { input = '', signal }: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const limit = AbortSignal.timeout(timeLimitMs);
    const until = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    const child = spawn(command, args, { signal: until, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A program that ends before it has read its input closes the pipe; its code tells the rest.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', cause => {
      if (signal?.aborted) reject(signal.reason);
      else reject(new ProgramError(command, undefined, stderr, cause));
    });
    child.on('close', code => {
      if (signal?.aborted) reject(signal.reason);
      else if (code === 0) resolve(stdout);
      else reject(new ProgramError(`${command} ${args[0] ?? ''}`, code ?? -1, stderr || stdout));
    });
  });
}

/**
 * Runs `wg`. Its input stands for the file `/dev/stdin` in the arguments, which takes a real pipe: what Node gives a
 * child is a socket, and a socket cannot be opened by its name.
 */
export function runWg(args: readonly string[], { input, signal }: RunOptions = {}): Promise<string> {
  if (input === undefined) return runProgram('wg', args, { signal });
  return runProgram('sh', ['-c', 'cat | "$0" "$@"', 'wg', ...args], { input, signal });
}
