import { createHash } from 'node:crypto';
import type { Registry } from 'prom-client';
import { type KubeObject, objectKey } from '../api/meta.ts';
import { events } from '../api/resource.ts';
import { type Logger, silentLogger } from '../process/log.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import { microTime } from './lease.ts';
import { type KubeMetrics, kubeMetrics } from './metrics.ts';

/** The object that an event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly uid?: string | undefined;
}

export interface EventFields {
  readonly regarding: Regarding;
  readonly type: 'Normal' | 'Warning';
  /** Why, in UpperCamelCase, at most 128 characters. */
  readonly reason: string;
  /** For people; cut at 1,024 bytes. */
  readonly note: string;
  /** What was done or refused, in UpperCamelCase, at most 128 characters. */
  readonly action: string;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** Who reports, for example `nauti.io/syncer`. */
  readonly controller: string;
  /** Which process of it, for example the pod's name. */
  readonly instance: string;
  readonly log?: Logger | undefined;
  readonly metrics?: Registry | undefined;
  /** A repetition is written at most once in this time, 60 s where it is not given. */
  readonly repeatMs?: number | undefined;
}

interface Series {
  /** The Event as the API server has it; undefined until it was written. */
  written: KubeObject | undefined;
  count: number;
  lastAt: Date;
  wroteAt: number;
}

const defaultRepeatMs = 60_000;
const maxSeries = 1_024;
/** Writes under way; what comes beyond it is dropped. */
const maxPending = 64;
/** Tokens of the bucket that all events of a recorder share. */
const burst = 50;
const tokensPerSecond = 2;
const noteBytes = 1_024;

/**
 * Tells people, by events.k8s.io/v1 Events on their objects, what happened to them.
 *
 * The same event again makes the first one a series and counts it, at most one write a minute. Events are a courtesy:
 * recording never throws and never waits, and beyond 50 at once or 2 a second they are dropped and counted.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #log: Logger;
  readonly #metrics: KubeMetrics | undefined;
  /** In order of their last use. */
  readonly #series = new Map<string, Series>();
  readonly #pending = new Set<Promise<void>>();
  #tokens = burst;
  #refilledAt = performance.now();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLogger();
    this.#metrics = options.metrics && kubeMetrics(options.metrics);
  }

  record(fields: EventFields): void {
    const key = JSON.stringify([fields.regarding, fields.type, fields.reason, fields.note, fields.action]);
    const series = this.#series.get(key) ?? {
      written: undefined,
      count: 0,
      lastAt: new Date(),
      wroteAt: Number.NEGATIVE_INFINITY,
    };
    this.#series.delete(key);
    this.#series.set(key, series);
    this.#forgetOldest();
    series.count++;
    series.lastAt = new Date();
    const repeatMs = this.#options.repeatMs ?? defaultRepeatMs;
    if (performance.now() - series.wroteAt < repeatMs) return; // Counted; a later one writes it.
    if (this.#pending.size >= maxPending || !this.#takeToken()) {
      this.#metrics?.eventsDropped.inc();
      return;
    }
    series.wroteAt = performance.now();
    const write = this.#write(fields, series).finally(() => this.#pending.delete(write));
    this.#pending.add(write);
  }

  /** Resolves when what was recorded so far is written or refused: requests end by themselves within 30 s. */
  async flush(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #write(fields: EventFields, series: Series): Promise<void> {
    try {
      series.written = series.written
        ? await this.#repeat(series.written, series)
        : await this.#options.client.create(events, this.#event(fields, series.lastAt));
    } catch (error) {
      // The Event ended by its time (an hour): the next one is a new one.
      if (error instanceof KubeError && error.status === 404) series.written = undefined;
      this.#metrics?.eventsDropped.inc();
      this.#log.debug({ err: error, reason: fields.reason }, 'event was not written');
    }
  }

  async #repeat(written: KubeObject, series: Series): Promise<KubeObject> {
    const { namespace, name } = written.metadata;
    return await this.#options.client.patch(
      events,
      { namespace, name: name ?? '' },
      {
        contentType: 'application/merge-patch+json',
        body: { series: { count: series.count, lastObservedTime: microTime(series.lastAt) } },
      },
    );
  }

  #event(fields: EventFields, at: Date): KubeObject {
    const { regarding, type, reason, note, action } = fields;
    // Events of what has no namespace live in the default one (KEP-383).
    const namespace = regarding.namespace || 'default';
    const unique = createHash('sha256')
      .update(
        `${this.#options.instance} ${objectKey(namespace, regarding.name)} ${reason} ${note} ${at.getTime()}`,
      )
      .update(String(Math.random()))
      .digest('hex')
      .slice(0, 16);
    return {
      metadata: { namespace, name: `${regarding.name.slice(0, 236)}.${unique}` },
      eventTime: microTime(at),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance.slice(0, 128),
      type,
      reason,
      action,
      note: cut(note),
      regarding: { ...regarding },
    };
  }

  #forgetOldest(): void {
    for (const key of this.#series.keys()) {
      if (this.#series.size <= maxSeries) return;
      this.#series.delete(key);
    }
  }

  #takeToken(): boolean {
    const now = performance.now();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#refilledAt) / 1000) * tokensPerSecond);
    this.#refilledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** At most 1,024 bytes, whole characters. */
function cut(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= noteBytes) return note;
  let end = noteBytes - 3;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}…`;
}
