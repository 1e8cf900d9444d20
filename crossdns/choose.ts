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

/** One step of the choice: what it kept, and why. */
export interface Choice {
  readonly rule: string;
  readonly kept: readonly Candidate[];
}

/**
 * How the endpoints that the service's own name answers are chosen, in this order of rules:
 * 1. a cluster with weight 0 is drained;
 * 2. only the best (lowest) priority that has a ready endpoint is used;
 * 3. with `preferClose`: those of the asking topology zone in the asking cluster, else those of the asking cluster,
 *    else those of the zone elsewhere, else all.
 */
export function choiceSteps(
  candidates: readonly Candidate[],
  preferClose: boolean,
  locality: Locality,
): readonly Choice[] {
  const undrained = candidates.filter(candidate => candidate.weight > 0);
  let best = Number.POSITIVE_INFINITY;
  for (const { priority } of undrained) best = Math.min(best, priority);
  const first = undrained.filter(candidate => candidate.priority === best);
  const steps = [
    { rule: 'weight 0 is drained', kept: undrained },
    { rule: `priority ${best} is the best that is ready`, kept: first },
  ];
  return preferClose ? [...steps, closest(first, locality)] : steps;
}

function closest(chosen: readonly Candidate[], { cluster, zone }: Locality): Choice {
  const inCluster = chosen.filter(candidate => candidate.cluster === cluster);
  const isInZone = (candidate: Candidate) => zone !== undefined && candidate.endpoint.zone === zone;
  const nearer = [
    { rule: `in topology zone ${zone} of cluster ${cluster}`, kept: inCluster.filter(isInZone) },
    { rule: `in cluster ${cluster}`, kept: inCluster },
    { rule: `in topology zone ${zone}`, kept: chosen.filter(isInZone) },
  ];
  const found = nearer.find(({ kept }) => kept.length > 0);
  return found
    ? { rule: `near is preferred: ${found.rule}`, kept: found.kept }
    : { rule: 'near is preferred, but nothing near is ready', kept: chosen };
}

/** The endpoints that the service's own name answers. */
export function chooseEndpoints(
  candidates: readonly Candidate[],
  preferClose: boolean,
  locality: Locality,
): readonly Candidate[] {
  return choiceSteps(candidates, preferClose, locality).at(-1)?.kept ?? candidates;
}
