/** What is still to be waited for while OVN is taken off a cluster's nodes. Pure. */
import type { KubeObject } from '../api/meta.ts';

/** `pod on node`, for each that has not ended yet. */
export function remaining(pods: readonly KubeObject[]): readonly string[] {
  return pods.map(
    ({ metadata, spec }) => `${metadata.name} on ${(spec as { nodeName?: string }).nodeName ?? 'no node'}`,
  );
}

/** Whether a DaemonSet's controller has seen its last change, and a ready pod of it is on every node that it is for. */
export function isEverywhere({ metadata, status }: KubeObject): boolean {
  const seen = (status ?? {}) as Partial<Record<string, number>>;
  const desired = seen.desiredNumberScheduled ?? 0;
  return (
    seen.observedGeneration === metadata.generation &&
    desired > 0 &&
    (seen.updatedNumberScheduled ?? 0) >= desired &&
    (seen.numberReady ?? 0) >= desired
  );
}

/** Nodes whose pod is not ready: those that nobody has cleaned. */
export function unready(pods: readonly KubeObject[]): readonly string[] {
  return pods.flatMap(({ spec, status }) => {
    const { conditions = [] } = (status ?? {}) as {
      conditions?: readonly { readonly type: string; readonly status: string }[];
    };
    const isReady = conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');
    const node = (spec as { nodeName?: string }).nodeName;
    return isReady || node === undefined ? [] : [node];
  });
}
