import type { KubeObject } from '../api/meta.ts';
import { objectKey } from '../api/meta.ts';
import {
  anyText,
  boolean,
  objectOf,
  objectOrEmpty,
  optionalText,
  parserOf,
  textMap,
  withDefault,
} from '../api/parse.ts';
import { allocationOf } from './allocation.ts';
import type { Sandbox } from './sandbox.ts';

/** What is kept of a pod of this node. */
export interface WatchedPod {
  /** `namespace/name`. */
  readonly key: string;
  /** Those that the runtime may know it by: a pod of a manifest file has another there. */
  readonly uids: readonly string[];
  /** Those of an allocation. */
  readonly annotations: Readonly<Record<string, string>>;
  /** No container of it will run again. */
  readonly isFinished: boolean;
}

/** Set by the kubelet on the API's copy of a pod from a manifest file: the UID that the runtime has. */
const mirrorAnnotation = 'kubernetes.io/config.mirror';

const frame = parserOf(
  'Pod',
  objectOf({
    metadata: objectOf({ name: anyText, namespace: anyText, uid: anyText, annotations: textMap }),
    spec: objectOf({ hostNetwork: withDefault(boolean, false) }),
    status: objectOrEmpty({ phase: optionalText(anyText) }),
  }),
);

/**
 * Reads a pod; undefined for those on the host's network, which have no NIC of their own.
 *
 * @throws UnreadableError that names the field.
 */
export function readPod(object: KubeObject): WatchedPod | undefined {
  const { metadata, spec, status } = frame(object);
  if (spec.hostNetwork) return undefined;
  const mirrored = metadata.annotations[mirrorAnnotation];
  return {
    key: objectKey(metadata.namespace, metadata.name),
    uids: mirrored === undefined ? [metadata.uid] : [metadata.uid, mirrored],
    annotations: allocationOf(metadata.annotations),
    isFinished: status.phase === 'Succeeded' || status.phase === 'Failed',
  };
}

/** Whether a pod of the API is the one that a sandbox is for, and not another that has its name. */
export function isPodOf(pod: WatchedPod, sandbox: Sandbox): boolean {
  return pod.uids.includes(sandbox.uid);
}

export function samePod(a: WatchedPod, b: WatchedPod): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
