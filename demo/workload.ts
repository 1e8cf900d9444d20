/** How far a workload has rolled out. Pure. */
import type { KubeObject } from '../api/meta.ts';

export interface Workload {
  readonly wanted: number;
  /** Pods of its present template that are ready; fewer than wanted while there are others. */
  readonly ready: number;
}

/** What is read of a Deployment, StatefulSet or DaemonSet, as the API server defaults it. */
interface WorkloadFields {
  readonly kind: string;
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
    readonly desiredNumberScheduled?: number;
    readonly updatedNumberScheduled?: number;
    readonly numberReady?: number;
  };
}

/** @param object as the API server has it. */
export function readWorkload(object: KubeObject): Workload {
  const { kind, metadata, spec, status } = object as unknown as WorkloadFields;
  const isSeen = status.observedGeneration === metadata.generation;
  if (kind === 'DaemonSet') {
    // Before it is seen nobody knows on how many nodes it will be.
    const wanted = isSeen ? (status.desiredNumberScheduled ?? 0) : 1;
    const ready = Math.min(status.updatedNumberScheduled ?? 0, status.numberReady ?? 0);
    return { wanted, ready: isSeen ? ready : 0 };
  }
  const wanted = spec.replicas;
  const ready = Math.min(status.updatedReplicas ?? 0, status.readyReplicas ?? 0);
  const isDone = isSeen && (status.replicas ?? 0) === wanted;
  return { wanted, ready: isDone ? ready : Math.min(ready, wanted - 1) };
}
