import type { KubeObject } from '../api/meta.ts';

/** What of a namespace matters here. */
export interface WatchedNamespace {
  readonly name: string;
  /** Its pods are reached from other clusters at exported ports only. */
  readonly isIsolated: boolean;
  /** It is being deleted, or people say that Nauti is being taken away. */
  readonly isUninstalling: boolean;
}

/** On a Namespace or Service, `"true"`: other clusters reach its pods only at the ports of exported Services. */
export const isolateLabel = 'nauti.io/isolate';

/**
 * On the namespace of the components, `"true"`: annotations that are removed from pods are not written again. Set by
 * whoever takes Nauti away, before the annotations are.
 */
export const uninstallingAnnotation = 'nauti.io/uninstalling';

export function readNamespace(object: KubeObject): WatchedNamespace {
  const { name = '', labels = {}, annotations = {}, deletionTimestamp } = object.metadata;
  return {
    name,
    isIsolated: labels[isolateLabel] === 'true',
    isUninstalling: deletionTimestamp !== undefined || annotations[uninstallingAnnotation] === 'true',
  };
}

export function sameNamespace(a: WatchedNamespace, b: WatchedNamespace): boolean {
  return a.isIsolated === b.isIsolated && a.isUninstalling === b.isUninstalling;
}
