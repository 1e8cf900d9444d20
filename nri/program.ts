import { spawn } from 'node:child_process';

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

/**
 * Runs a program without a shell around it.
 *
 * @returns what it printed.
 * @throws ProgramError with what it said; the signal's reason, when the program is dead.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<string> {
  const { input = '', files = [], signal } = options;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe', ...files] });
    const output: Buffer[] = [];
    let length = 0;
    let complaint = '';
    const onAbort = () => child.kill('SIGKILL');
    signal.addEventListener('abort', onAbort);
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
    child.stdin?.end(input);
    child.once('error', error => {
      signal.removeEventListener('abort', onAbort);
      reject(new ProgramError(`Cannot run ${command}`, { cause: error }));
    });
    child.once('close', (code, killedBy) => {
      signal.removeEventListener('abort', onAbort);
      if (signal.aborted) reject(signal.reason);
      else if (code === 0) resolve(Buffer.concat(output).toString());
      else reject(new ProgramError(`${command} ended with ${code ?? killedBy}: ${complaint.trim()}`));
    });
  });
}
