import type { Registry } from 'prom-client';
import type { Logger } from '../process/log.ts';
import type { Catalog } from './catalog.ts';
import { registerGauge } from './metrics.ts';
import { SnapshotKeeper } from './snapshotkeeper.ts';
import { openSource } from './sources/open.ts';
import type { Source } from './sources/source.ts';

/** How long a source may be silent before its data counts as stale, in milliseconds. */
const staleAfter = 120_000;
/** How often it is looked whether data is stale, in milliseconds. */
const lookEvery = 5_000;

export interface FeedSettings {
  readonly source: readonly string[];
  readonly kubeconfig: string | undefined;
  readonly redisCa: string | undefined;
  readonly localNamespace: string;
  readonly snapshot: string | undefined;
}

/** Fills a catalog from the sources, and from the snapshot of an earlier life until they are read. */
export class Feed {
  readonly #sources: readonly Source[];
  readonly #catalog: Catalog;
  readonly #snapshot: SnapshotKeeper | undefined;
  readonly #log: Logger;
  #stale = false;

  private constructor(
    sources: readonly Source[],
    catalog: Catalog,
    snapshot: SnapshotKeeper | undefined,
    log: Logger,
  ) {
    this.#sources = sources;
    this.#catalog = catalog;
    this.#snapshot = snapshot;
    this.#log = log;
  }

  static async open(settings: FeedSettings, catalog: Catalog, log: Logger): Promise<Feed> {
    const { localNamespace } = settings;
    const sources = await Promise.all(
      settings.source.map(source => openSource(source, settings, { catalog, localNamespace, log })),
    );
    const snapshot =
      settings.snapshot === undefined ? undefined : new SnapshotKeeper(settings.snapshot, catalog, log);
    return new Feed(sources, catalog, snapshot, log);
  }

  /** Whether every source has been read. */
  get synced(): boolean {
    return this.#sources.every(source => source.synced);
  }

  /** The names of the sources that have not been read. */
  get missing(): readonly string[] {
    return this.#sources.filter(source => !source.synced).map(source => source.name);
  }

  /** Whether answers may be behind: a source was not read in this life, or has been silent for long. */
  get stale(): boolean {
    return this.#sources.some(source => !source.synced || ageOf(source) > staleAfter);
  }

  /**
   * Fills the catalog until the signal is aborted.
   *
   * @param onReady called when there is something to answer from, and again when all sources are read.
   * @throws what a source throws that cannot go on.
   */
  async run(signal: AbortSignal, onReady: () => void): Promise<void> {
    if (await this.#snapshot?.load()) onReady();
    const look = setInterval(() => this.#look(), lookEvery);
    const stop = new AbortController();
    signal.addEventListener('abort', () => stop.abort(signal.reason), { once: true });
    const running = this.#sources.map(source => source.run(stop.signal));
    const synced = Promise.all(this.#sources.map(source => source.untilSynced(stop.signal)));
    try {
      await Promise.race([Promise.all(running), synced]);
      if (signal.aborted) return;
      const dropped = this.#catalog.dropUnclaimed();
      this.#log.info({ services: this.#catalog.size, dropped }, 'all sources read, answering');
      onReady();
      // Only a whole view is worth keeping, and only sources that were read make it whole.
      await Promise.all([...running, this.#snapshot?.run(signal)]);
    } finally {
      clearInterval(look);
      // Where one failed, the others end too.
      stop.abort();
      await Promise.allSettled([...running, synced]);
    }
  }

  registerMetrics(registry: Registry): void {
    const add = (name: string, help: string, read: () => number) => registerGauge(registry, name, help, read);
    add('nauti_dns_services', 'Services that are known.', () => this.#catalog.size);
    add('nauti_dns_stale', '1 while answers may be behind, as a source is silent or was not read yet.', () =>
      Number(this.stale),
    );
    add(
      'nauti_dns_source_age_seconds',
      'Time since the source that is silent longest was heard of.',
      () => Math.max(0, ...this.#sources.map(ageOf)) / 1000,
    );
    if (this.#snapshot === undefined) return;
    add('nauti_dns_snapshot_age_seconds', 'Age of the snapshot file, -1 where there is none.', () => {
      const written = this.#snapshot?.written;
      return written === undefined ? -1 : (Date.now() - written) / 1000;
    });
  }

  #look(): void {
    const { stale } = this;
    if (stale === this.#stale) return;
    this.#stale = stale;
    if (stale) this.#log.warn({ sources: this.#sources.map(source => source.name) }, 'answers may be stale');
    else this.#log.info('answers are fresh again');
  }
}

/** Milliseconds since a source was heard of; 0 where it needs no contact. */
function ageOf(source: Source): number {
  const { lastContact } = source;
  // Infinity is no number for a metric; before the first contact the life of the process is what can be said.
  return lastContact === undefined ? 0 : performance.now() - Math.max(0, lastContact);
}
