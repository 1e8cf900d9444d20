import type { IncomingMessage } from 'node:http';
import type { KubeObject } from '../api/meta.ts';
import type { Resource } from '../api/resource.ts';
import { isKubeObject } from './answer.ts';
import type { KubeClient } from './client.ts';
import { errorOfStatus, KubeError, transportReasons } from './error.ts';
import { LineSplitter, LineTooLong } from './lines.ts';
import { collectionPath } from './path.ts';
import { SliceOfTime } from './slice-of-time.ts';
import { bodyError } from './transport.ts';

/** What a watch says: an object is so now, or is gone, or nothing happened up to this version. */
export type WatchFrame =
  | {
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
      readonly object: KubeObject;
      readonly resourceVersion: string;
    }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export interface WatchOptions {
  readonly client: KubeClient;
  readonly resource: Resource;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Frames begin after this version. */
  readonly resourceVersion: string;
  /** The server ends the watch after so long. */
  readonly lifetimeSeconds: number;
  /** Silent for so long, the watch is taken for dead. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
  readonly onFrame: (frame: WatchFrame) => void;
}

/** The longest frame: etcd takes objects up to 1.5 MB, as JSON they grow several times at most. */
const maxFrameBytes = 16 * 1024 * 1024;

/**
 * Reads one watch until the server ends it.
 *
 * Only whole frames count: what a broken connection leaves of one is dropped, the server sends it again.
 *
 * @throws KubeError: 410 where the version is forgotten; status 0 where the connection broke (`Unreachable`), fell
 *   silent (`NoAnswer`) or sent something else than frames (`InvalidAnswer`).
 */
export async function watch(options: WatchOptions): Promise<void> {
  const { client, resource, signal, stallMs } = options;
  const path = collectionPath(resource, options.namespace);
  const response = await client.stream({
    path,
    query: {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: options.resourceVersion,
      timeoutSeconds: options.lifetimeSeconds,
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
    },
    signal,
    timeoutMs: Math.min(stallMs, 30_000),
  });
  const what = `watch ${path}`;
  const stall = setTimeout(
    () => response.destroy(failure(what, 'timeout', `silent for ${stallMs} ms`)),
    stallMs,
  );
  try {
    await readFrames(response, what, frame => {
      stall.refresh();
      options.onFrame(frame);
    });
  } catch (error) {
    throw bodyError(error, { method: 'watch', path, signal });
  } finally {
    clearTimeout(stall);
    response.destroy();
  }
  signal.throwIfAborted();
}

async function readFrames(
  response: IncomingMessage,
  what: string,
  onFrame: (frame: WatchFrame) => void,
): Promise<void> {
  const lines = new LineSplitter(maxFrameBytes);
  const slice = new SliceOfTime();
  for await (const chunk of response as AsyncIterable<Buffer>) {
    try {
      for (const line of lines.push(chunk)) {
        onFrame(parseFrame(line, what));
        if (slice.over()) await slice.giveWay();
        if (response.destroyed && response.errored) throw response.errored;
      }
    } catch (error) {
      if (error instanceof LineTooLong) throw failure(what, 'invalid', error.message, error);
      throw error;
    }
    slice.restart();
  }
}

/** Legal: an object with `type` ADDED, MODIFIED or DELETED and an object with a version; BOOKMARK; ERROR and a Status. */
export function parseFrame(line: string, what: string): WatchFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(line);
  } catch (error) {
    throw failure(what, 'invalid', 'a frame must be JSON', error);
  }
  if (typeof frame !== 'object' || frame === null || !('type' in frame) || !('object' in frame)) {
    throw failure(what, 'invalid', 'a frame must have type and object');
  }
  const { type, object } = frame;
  if (type === 'ERROR') throw errorOfStatus(what, object);
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED' && type !== 'BOOKMARK') {
    throw failure(what, 'invalid', 'the type of a frame must be known');
  }
  const resourceVersion = isKubeObject(object) ? object.metadata.resourceVersion : undefined;
  if (!isKubeObject(object) || typeof resourceVersion !== 'string' || resourceVersion === '') {
    throw failure(what, 'invalid', 'the object of a frame must have metadata.resourceVersion');
  }
  return type === 'BOOKMARK' ? { type, resourceVersion } : { type, object, resourceVersion };
}

function failure(what: string, reason: 'timeout' | 'invalid', why: string, cause?: unknown): KubeError {
  return new KubeError(`Cannot ${what}: ${why}`, { status: 0, reason: transportReasons[reason] }, { cause });
}
