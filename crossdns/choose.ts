/** Which endpoints of a service are given to clients, in what share. Pure. */

import type { Service } from './catalog.ts';
import type { EndpointRecord, PortRecord } from './records.ts';

/** Where the clients of this server are. */
export interface Locality {
  readonly cluster: string;
  /** Topology zone, where it is known. */
  readonly zone: string | undefined;
}

/** A ready endpoint with everything that its records need. */
export interface Candidate {
  readonly cluster: string;
  readonly endpoint: EndpointRecord;
  readonly family: 4 | 6;
  readonly ports: readonly PortRecord[];
  readonly weight: number;
  readonly priority: number;
}

const defaultWeight = 1;
const defaultPriority = 0;

/** All ready endpoints; weight and priority come from the slice, else from the import, else they are 1 and 0. */
export function candidatesOf(service: Service): Candidate[] {
  const fallback = service.import;
  const candidates: Candidate[] = [];
  for (const slice of service.slices.values()) {
    const weight = slice.weight ?? fallback?.weight ?? defaultWeight;
    const priority = slice.priority ?? fallback?.priority ?? defaultPriority;
    for (const endpoint of slice.endpoints) {
      candidates.push({
        cluster: slice.cluster,
        endpoint,
        family: slice.family,
        ports: slice.ports,
        weight,
        priority,
      });
    }
  }
  return candidates;
}

/**
 * The endpoints that the service's own name answers, in this order of rules:
 * 1. a cluster with weight 0 is drained;
 * 2. only the best (lowest) priority that has a ready endpoint is used;
 * 3. with `preferClose`: those of the asking topology zone in the asking cluster, else those of the asking cluster,
 *    else those of the zone elsewhere, else all.
 */
export function chooseEndpoints(
  candidates: readonly Candidate[],
  preferClose: boolean,
  locality: Locality,
): readonly Candidate[] {
  let chosen = candidates.filter(candidate => candidate.weight > 0);
  const best = chosen.reduce((lowest, candidate) => Math.min(lowest, candidate.priority), Infinity);
  chosen = chosen.filter(candidate => candidate.priority === best);
  if (!preferClose) return chosen;
  const inCluster = chosen.filter(candidate => candidate.cluster === locality.cluster);
  const isInZone = (candidate: Candidate) =>
    locality.zone !== undefined && candidate.endpoint.zone === locality.zone;
  for (const nearer of [inCluster.filter(isInZone), inCluster, chosen.filter(isInZone)]) {
    if (nearer.length > 0) return nearer;
  }
  return chosen;
}
