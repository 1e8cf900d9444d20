import { readFile } from 'node:fs/promises';

/** A kubelet rewrites projected tokens well before they end; reading once in this time is enough. */
const maxAgeMs = 10_000;

/**
 * A file whose content changes under us (projected tokens, rotated certificates): read again after 10 s, or on demand.
 * Where a later read fails, the last content stays in use: a file that is being replaced must not stop the process.
 */
export class RereadFile {
  readonly #path: string;
  readonly #what: string;
  #content: string | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  /** @param what completes the sentence "Cannot read …", for example "the token". */
  constructor(path: string, what: string) {
    this.#path = path;
    this.#what = what;
  }

  /**
   * @param fresh read now, whatever the age of what we have.
   * @throws Error that names the file, where it never could be read.
   */
  async text(fresh = false): Promise<string> {
    const now = performance.now();
    if (this.#content !== undefined && !fresh && now - this.#readAt < maxAgeMs) return this.#content;
    try {
      const content = (await readFile(this.#path, 'utf8')).trim();
      if (content === '') throw new Error('it is empty');
      this.#content = content;
      this.#readAt = now;
    } catch (error) {
      if (this.#content === undefined) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(`Cannot read ${this.#what} as the file ${this.#path} must be readable: ${why}`, {
          cause: error,
        });
      }
    }
    return this.#content as string;
  }
}
