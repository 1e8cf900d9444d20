import { createWriteStream, type WriteStream } from 'node:fs';
import { type CommandOptions, type CommandResult, run, tryRun } from '../lab/command.ts';

/** Runs commands and keeps in a file what was run, what it printed, and how long it took. Inputs are not kept. */
export class Journal {
  readonly path: string;
  readonly #file: WriteStream;

  constructor(path: string) {
    this.path = path;
    this.#file = createWriteStream(path);
    this.note('begins');
  }

  note(text: string): void {
    this.#file.write(`${new Date().toISOString()} ${text}\n`);
  }

  /** @returns standard output. @throws CommandError where the command does not exit with 0. */
  async run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return this.#kept(command, args, options, run);
  }

  /** Its exit code is the caller's business. */
  async tryRun(
    command: string,
    args: readonly string[],
    options: CommandOptions = {},
  ): Promise<CommandResult> {
    return this.#kept(command, args, options, tryRun);
  }

  async #kept<T>(
    command: string,
    args: readonly string[],
    options: CommandOptions,
    start: (command: string, args: readonly string[], options: CommandOptions) => Promise<T>,
  ): Promise<T> {
    this.note(`$ ${command} ${args.join(' ')}`);
    const begin = performance.now();
    const onOutput = (text: string) => {
      this.#file.write(text);
      options.onOutput?.(text);
    };
    try {
      return await start(command, args, { ...options, onOutput });
    } finally {
      this.note(`… ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    }
  }

  /** Waits until all is written. */
  close(): Promise<void> {
    return new Promise(resolve => this.#file.end(resolve));
  }
}
