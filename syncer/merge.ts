/**
 * KEP-1645, "Conflict resolution": one import from the exports of several clusters.
 *
 * A pure function of the exports alone, so that every cluster comes to the same result without asking another.
 */

import type { ExportedServiceSpec } from '../api/exported-service.ts';
import type {
  ImportType,
  InternalTrafficPolicy,
  IpFamily,
  SessionAffinity,
  SessionAffinityConfig,
} from '../api/service-policy.ts';
import type { ServicePort } from '../api/service-port.ts';
import { type PortNames, unitePorts } from './unite-ports.ts';

/** In the order in which a condition lists them. */
export const conflictReasons = [
  'PortConflict',
  'TypeConflict',
  'SessionAffinityConflict',
  'SessionAffinityConfigConflict',
  'LabelsConflict',
  'AnnotationsConflict',
  'InternalTrafficPolicyConflict',
  'TrafficDistributionConflict',
  'IPFamilyConflict',
] as const;
export type ConflictReason = (typeof conflictReasons)[number];

export interface Conflict {
  readonly reason: ConflictReason;
  /** The clusters whose export differs from the oldest, oldest first. */
  readonly clusterIds: readonly string[];
}

export interface MergedService {
  readonly type: ImportType;
  readonly ports: readonly ServicePort[];
  readonly ipFamilies: readonly IpFamily[];
  readonly sessionAffinity: SessionAffinity;
  readonly sessionAffinityConfig?: SessionAffinityConfig;
  readonly internalTrafficPolicy?: InternalTrafficPolicy;
  readonly trafficDistribution?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** All exporting clusters, the one with the oldest export first. */
  readonly clusterIds: readonly string[];
  /** What each cluster's ports are called in the import; see {@link unitePorts}. */
  readonly portNames: ReadonlyMap<string, PortNames>;
  readonly conflicts: readonly Conflict[];
}

/** @returns undefined if no cluster exports. At most one export of each cluster may be given. */
export function mergeExports(exports: readonly ExportedServiceSpec[]): MergedService | undefined {
  const byAge = exports.toSorted(compareAge);
  const oldest = byAge[0];
  if (oldest === undefined) return undefined;
  const { ports, names } = unitePorts(byAge);
  return {
    type: oldest.type,
    ports,
    ipFamilies: [...new Set(byAge.flatMap(one => one.ipFamilies))],
    sessionAffinity: oldest.sessionAffinity,
    ...(oldest.sessionAffinityConfig && { sessionAffinityConfig: oldest.sessionAffinityConfig }),
    ...(oldest.internalTrafficPolicy && { internalTrafficPolicy: oldest.internalTrafficPolicy }),
    ...(oldest.trafficDistribution && { trafficDistribution: oldest.trafficDistribution }),
    labels: oldest.exportedLabels,
    annotations: oldest.exportedAnnotations,
    clusterIds: byAge.map(one => one.clusterId),
    portNames: names,
    conflicts: conflictsWith(oldest, byAge.slice(1)),
  };
}

/** Older first; of the same age, by the bytes of the cluster id, which are ASCII. */
function compareAge(a: ExportedServiceSpec, b: ExportedServiceSpec): number {
  if (a.exportedAt !== b.exportedAt) return a.exportedAt < b.exportedAt ? -1 : 1;
  return a.clusterId < b.clusterId ? -1 : a.clusterId > b.clusterId ? 1 : 0;
}

/** What must be equal, as a text; undefined where the question does not arise for an export. */
const comparisons: Readonly<Record<ConflictReason, (one: ExportedServiceSpec) => string | undefined>> = {
  PortConflict: one => one.ports.map(portText).sort().join(' '),
  TypeConflict: one => one.type,
  SessionAffinityConflict: one => one.sessionAffinity,
  SessionAffinityConfigConflict: one =>
    one.sessionAffinity === 'None' ? undefined : String(one.sessionAffinityConfig?.clientIP?.timeoutSeconds),
  LabelsConflict: one => mapText(one.exportedLabels),
  AnnotationsConflict: one => mapText(one.exportedAnnotations),
  // The API server's default, which a headless Service of an old cluster may lack.
  InternalTrafficPolicyConflict: one => one.internalTrafficPolicy ?? 'Cluster',
  TrafficDistributionConflict: one => one.trafficDistribution ?? '',
  IPFamilyConflict: one => one.ipFamilies.toSorted().join(' '),
};

function conflictsWith(oldest: ExportedServiceSpec, younger: readonly ExportedServiceSpec[]): Conflict[] {
  return conflictReasons.flatMap(reason => {
    const textOf = comparisons[reason];
    const winner = textOf(oldest);
    const clusterIds = younger
      .filter(one => {
        const text = textOf(one);
        return text !== winner && text !== undefined && winner !== undefined;
      })
      .map(one => one.clusterId);
    return clusterIds.length === 0 ? [] : [{ reason, clusterIds }];
  });
}

function portText(port: ServicePort): string {
  return JSON.stringify([port.name ?? '', port.protocol, port.port, port.appProtocol ?? '']);
}

function mapText(map: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
