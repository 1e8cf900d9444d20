import type { Histogram } from 'prom-client';
import type { HubView } from './hub-view.ts';
import type { SliceOutcome } from './import-writer.ts';

/**
 * Measures how long a change of endpoints takes from the cluster where it happened until it stands in this one.
 *
 * Only changes that were seen to arrive are measured: what a restart finds, or a cluster that comes back brings, has
 * been old for reasons of its own.
 */
export class Propagation {
  readonly #histogram: Histogram<'source_cluster'>;
  /** Of the changes under way, when they happened, by the name of the slice. */
  readonly #pending = new Map<string, string>();

  constructor(histogram: Histogram<'source_cluster'>) {
    this.#histogram = histogram;
  }

  /** @returns what ends it. */
  follow(hub: HubView): () => void {
    return hub.slices.subscribe(({ before, after }) => {
      const slice = after ?? before;
      if (slice === undefined || slice.clusterId === hub.clusterId) return;
      const { changedAt } = slice;
      if (after === undefined) this.#pending.delete(slice.name);
      else if (hub.slices.hasSynced && changedAt !== undefined && changedAt !== before?.changedAt) {
        this.#pending.set(slice.name, changedAt);
      }
    });
  }

  settle({ clusterId, name, changedAt, written }: SliceOutcome): void {
    const pending = this.#pending.get(name);
    if (pending === undefined || pending !== changedAt) return;
    this.#pending.delete(name);
    const milliseconds = Date.now() - Date.parse(pending);
    // A clock that is ahead makes the way look shorter than none.
    if (written && !Number.isNaN(milliseconds)) {
      this.#histogram.observe({ source_cluster: clusterId }, Math.max(0, milliseconds) / 1000);
    }
  }
}
