import type { KubeObject } from '../api/meta.ts';
import { KubeError, transportReasons } from './error.ts';

/** A page of a list, and the token of the next one. */
export interface AnsweredPage {
  readonly items: KubeObject[];
  readonly resourceVersion: string;
  /** Undefined on the last page. */
  readonly token: string | undefined;
}

/** Whether a value has what every object of the API has: a metadata object. */
export function isKubeObject(value: unknown): value is KubeObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    'metadata' in value &&
    typeof value.metadata === 'object' &&
    value.metadata !== null
  );
}

/** @throws KubeError where the answer is no object. */
export function asObject(value: unknown, path: string): KubeObject {
  if (!isKubeObject(value)) throw invalidAnswer(`read ${path}`, 200, 'an object with metadata');
  return value;
}

/** @throws KubeError where the answer is no list. Its items are not looked at. */
export function asPage(value: unknown, path: string): AnsweredPage {
  const list = value as { metadata?: Record<string, unknown> | null; items?: unknown } | null | undefined;
  const version = list?.metadata?.resourceVersion;
  const items = list?.items ?? []; // An empty list may be null in Go's JSON.
  if (typeof version !== 'string' || !Array.isArray(items)) {
    throw invalidAnswer(`list ${path}`, 200, 'a list with metadata.resourceVersion');
  }
  const token = list?.metadata?.continue;
  return {
    items: items as KubeObject[],
    resourceVersion: version,
    token: typeof token === 'string' && token !== '' ? token : undefined,
  };
}

/** The answer is not what the API sends. */
export function invalidAnswer(what: string, status: number, must: string, cause?: unknown): KubeError {
  const message = `Cannot ${what} as the answer must be ${must}`;
  return new KubeError(message, { status, reason: transportReasons.invalid }, { cause });
}
