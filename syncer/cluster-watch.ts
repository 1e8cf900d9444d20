import type { Logger } from '../process/log.ts';
import type { HubView } from './hub-view.ts';
import { ClusterLiveness, type Liveness, type LivenessOptions } from './liveness.ts';

export interface ClusterWatchOptions extends LivenessOptions {
  readonly hub: HubView;
  readonly log: Logger;
  /** Called when a cluster has begun or ceased to live, or it became known that it does. */
  readonly onChange: (clusterId: string, liveness: Liveness) => void;
  /** Called when the hub is known to be reached again, and the first time. */
  readonly onFresh: () => void;
}

/** Follows the leases on the hub and says which clusters live. */
export class ClusterWatch {
  readonly #options: ClusterWatchOptions;
  readonly #clusters: ClusterLiveness;
  readonly #told = new Map<string, Liveness>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ClusterWatchOptions) {
    this.#options = options;
    this.#clusters = new ClusterLiveness(options);
  }

  /** This cluster lives, whatever the hub says. */
  of(clusterId: string): Liveness {
    if (clusterId === this.#options.hub.clusterId) return 'alive';
    return this.#clusters.of(clusterId, performance.now());
  }

  isFresh(): boolean {
    return this.#clusters.isFresh(performance.now());
  }

  clusterIds(): readonly string[] {
    return this.#clusters.clusterIds();
  }

  /** Follows the caches of the hub from before they are run until the signal is aborted. */
  follow(signal: AbortSignal): void {
    const { hub } = this.#options;
    const ends = [
      hub.leases.subscribe(({ key, before, after }) => {
        // A lease that goes leaves the cluster silent; what it has on the hub decides how long it is remembered.
        if (after === undefined) return this.#forgetIfGone(before?.clusterId ?? key);
        const now = performance.now();
        // Only a renewal that was watched was written just now; a list may be of old ones.
        if (hub.leases.hasSynced) this.#proveFresh(now);
        this.#clusters.observe(after, now, Date.now());
        this.#evaluate();
      }),
      hub.exports.subscribe(({ before, after }) => {
        if (after === undefined) return this.#forgetIfGone(before?.clusterId ?? '');
        if (after.clusterId === hub.clusterId || this.#told.has(after.clusterId)) return;
        this.#clusters.expect(after.clusterId, performance.now());
        this.#evaluate();
      }),
    ];
    signal.addEventListener(
      'abort',
      () => {
        for (const end of ends) end();
        clearTimeout(this.#timer);
      },
      { once: true },
    );
  }

  #proveFresh(now: number): void {
    const wasFresh = this.#clusters.isFresh(now);
    this.#clusters.proveFresh(now);
    if (!wasFresh) this.#options.onFresh();
  }

  #forgetIfGone(clusterId: string): void {
    const { hub } = this.#options;
    if (hub.leases.get(`${hub.shareNamespace}/${clusterId}`) !== undefined) return;
    if (hub.exports.byIndex('cluster', clusterId).length > 0) return;
    this.#clusters.forget(clusterId);
    this.#told.delete(clusterId);
  }

  /** Tells of what has changed, and looks again when the next silence would be too long. */
  #evaluate(): void {
    const now = performance.now();
    for (const clusterId of this.#clusters.clusterIds()) {
      const liveness = this.of(clusterId);
      const before = this.#told.get(clusterId);
      if (before === liveness) continue;
      this.#told.set(clusterId, liveness);
      this.#options.log.info({ clusterId, liveness, before }, 'liveness of a cluster changed');
      this.#options.onChange(clusterId, liveness);
    }
    clearTimeout(this.#timer);
    const next = this.#clusters.nextDeadline();
    // While the view is stale the next lease that is seen brings us here again.
    if (next === undefined || !this.#clusters.isFresh(now)) return;
    this.#timer = setTimeout(() => this.#evaluate(), Math.max(1, next - now + 1));
  }
}
