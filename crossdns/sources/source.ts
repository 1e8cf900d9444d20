import type { Logger } from '../../process/log.ts';
import type { Catalog } from '../catalog.ts';

/** Where objects come from. */
export interface Source {
  /** How logs and probes name it. */
  readonly name: string;
  /** Whether the catalog has all that the source had when it was first read. */
  readonly synced: boolean;
  /** performance.now() of the last proof that the catalog is as the source; undefined where nothing can be missed. */
  readonly lastContact?: number | undefined;
  /** Resolves when {@link synced} is true; rejects with the signal's reason. */
  untilSynced(signal: AbortSignal): Promise<void>;
  /** Keeps the catalog as the source is, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export interface SourceContext {
  readonly catalog: Catalog;
  /** Namespace whose slices may speak for services of other namespaces. */
  readonly localNamespace: string;
  readonly log: Logger;
}
