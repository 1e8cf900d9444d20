/**
 * When a change of endpoints happened in this cluster, for the annotation `nauti.io/changed-at`.
 *
 * Kubernetes stamps a slice with `endpoints.kubernetes.io/last-change-trigger-time`, taken from a pod's conditions
 * and so often cut to whole seconds. A time so cut stands for any instant of its second: the latest one that is
 * possible is used, and never a later one than that at which the change was seen here.
 */

export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

/**
 * @param trigger the annotation of the slice as it is now; `previous` as it was before this change.
 * @param observedAt when the change was seen here, epoch milliseconds; undefined when it was found by a first list.
 * @returns epoch milliseconds, or undefined if nobody can tell.
 */
export function changeTime(
  trigger: string | undefined,
  previous: string | undefined,
  observedAt: number | undefined,
): number | undefined {
  // A change that the stamp does not tell of: it still carries the time of an earlier one.
  if (observedAt !== undefined && trigger === previous) return observedAt;
  const parsed = trigger === undefined ? Number.NaN : Date.parse(trigger);
  if (Number.isNaN(parsed)) return observedAt;
  const latest = parsed % 1_000 === 0 ? parsed + 999 : parsed;
  return observedAt === undefined ? latest : Math.min(latest, observedAt);
}

/** The time of the last change of each object that may change what a slice shows, by the object's key. */
export class ChangeTimes {
  readonly #times = new Map<string, number>();

  note(key: string, time: number | undefined): void {
    if (time === undefined) this.#times.delete(key);
    else this.#times.set(key, time);
  }

  /** The latest change of any of them, as RFC 3339 with milliseconds. */
  latest(keys: readonly string[]): string | undefined {
    let latest: number | undefined;
    for (const key of keys) {
      const time = this.#times.get(key);
      if (time !== undefined && (latest === undefined || time > latest)) latest = time;
    }
    return latest === undefined ? undefined : new Date(latest).toISOString();
  }
}
