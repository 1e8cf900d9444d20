import { rename } from 'node:fs/promises';
import type { Logger } from '../process/log.ts';
import { whenAborted } from './abort.ts';
import type { Catalog } from './catalog.ts';
import { readSnapshot, UnusableSnapshot, writeSnapshot } from './snapshot.ts';

/** A snapshot is written this long after the first change that is not in it, in milliseconds. */
const writeDelay = 2_000;

/** Keeps a snapshot file as the catalog is. */
export class SnapshotKeeper {
  readonly #path: string;
  readonly #catalog: Catalog;
  readonly #log: Logger;
  #written: number | undefined;
  #changed = false;
  #wake = () => {};

  constructor(path: string, catalog: Catalog, log: Logger) {
    this.#path = path;
    this.#catalog = catalog;
    this.#log = log;
  }

  /** Milliseconds since 1970 at which the file was written; undefined while there is none. */
  get written(): number | undefined {
    return this.#written;
  }

  /**
   * Brings the file's content into the catalog. A file that cannot be used is moved aside.
   *
   * @returns whether there was one to use.
   */
  async load(): Promise<boolean> {
    try {
      const snapshot = await readSnapshot(this.#path);
      if (snapshot === undefined) return false;
      for (const [key, record] of snapshot.records) this.#catalog.adopt(key, record);
      this.#written = snapshot.written;
      const { written, records } = snapshot;
      this.#log.warn(
        { written: new Date(written).toISOString(), objects: records.length },
        'answering from the snapshot until the sources are read',
      );
      return true;
    } catch (error) {
      if (!(error instanceof UnusableSnapshot)) {
        this.#log.error({ err: error, path: this.#path }, 'snapshot cannot be read');
        return false;
      }
      const aside = `${this.#path}.refused`;
      this.#log.error({ err: error, path: this.#path, aside }, 'snapshot refused');
      await rename(this.#path, aside);
      return false;
    }
  }

  /** Writes the file now, and after each change, until the signal is aborted; then once more if it is behind. */
  async run(signal: AbortSignal): Promise<void> {
    const unsubscribe = this.#catalog.subscribe(() => {
      this.#changed = true;
      this.#wake();
    });
    const stopped = whenAborted(signal);
    this.#changed = true;
    while (!signal.aborted) {
      if (this.#changed) await this.#write();
      await Promise.race([stopped, this.#untilChanged()]);
      await Promise.race([stopped, delay(writeDelay)]);
    }
    unsubscribe();
    if (this.#changed) await this.#write();
  }

  async #write(): Promise<void> {
    this.#changed = false;
    try {
      await writeSnapshot(this.#path, this.#catalog);
      this.#written = Date.now();
    } catch (error) {
      this.#changed = true;
      this.#log.error({ err: error, path: this.#path }, 'snapshot cannot be written');
    }
  }

  #untilChanged(): Promise<void> {
    if (this.#changed) return Promise.resolve();
    return new Promise(resolve => {
      this.#wake = resolve;
    });
  }
}

function delay(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds).unref());
}
