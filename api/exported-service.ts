import { clusterId, dnsLabel, timestampInSeconds } from './legal-names.ts';
import type { KubeObject } from './meta.ts';
import { hubLabels } from './names.ts';
import { type Meta, meta } from './object-meta.ts';
import { hubObjectName } from './object-names.ts';
import {
  boolean,
  type Field,
  integer,
  listOf,
  objectOf,
  optional,
  parserOf,
  textMap,
  withDefault,
} from './parse.ts';
import { apiVersion, exportedServices } from './resource.ts';
import type { Routing } from './service-export.ts';
import {
  type ImportType,
  type InternalTrafficPolicy,
  type IpFamily,
  importType,
  internalTrafficPolicy,
  ipFamilyList,
  type SessionAffinity,
  type SessionAffinityConfig,
  sessionAffinity,
  sessionAffinityConfig,
  trafficDistribution,
} from './service-policy.ts';
import { type ServicePort, servicePorts } from './service-port.ts';

/**
 * nauti.io ExportedService: one cluster's export of one Service, as the hub carries it. Every importer makes its
 * ServiceImport from all those of a namespace and name (KEP-1645, "Conflict resolution").
 */
export interface ExportedService {
  readonly metadata: Meta;
  readonly spec: ExportedServiceSpec;
}

export interface ExportedServiceSpec {
  /** The exporting cluster. */
  readonly clusterId: string;
  /** Namespace and name of the Service, the same in every cluster. */
  readonly namespace: string;
  readonly name: string;
  /** creationTimestamp of the ServiceExport: UTC, whole seconds. The oldest wins; these texts sort as the times do. */
  readonly exportedAt: string;
  readonly type: ImportType;
  readonly ports: readonly ServicePort[];
  readonly ipFamilies: readonly IpFamily[];
  readonly sessionAffinity: SessionAffinity;
  readonly sessionAffinityConfig?: SessionAffinityConfig;
  readonly internalTrafficPolicy?: InternalTrafficPolicy;
  readonly trafficDistribution?: string;
  readonly publishNotReadyAddresses?: boolean;
  readonly exportedLabels: Readonly<Record<string, string>>;
  readonly exportedAnnotations: Readonly<Record<string, string>>;
  /** Absent: weight 1, priority 0. */
  readonly routing?: Routing;
  /** Cluster ids that may import it; absent: all. */
  readonly allowedImporters?: readonly string[];
}

const exportedService: Field<ExportedService> = objectOf({
  metadata: meta,
  spec: objectOf({
    clusterId,
    namespace: dnsLabel,
    name: dnsLabel,
    exportedAt: timestampInSeconds,
    type: importType,
    ports: servicePorts,
    ipFamilies: ipFamilyList,
    sessionAffinity: withDefault(sessionAffinity, 'None'),
    sessionAffinityConfig: optional(sessionAffinityConfig),
    internalTrafficPolicy: optional(internalTrafficPolicy),
    trafficDistribution,
    publishNotReadyAddresses: optional(boolean),
    exportedLabels: textMap,
    exportedAnnotations: textMap,
    routing: optional(
      objectOf({
        weight: withDefault(integer(0, 65_535), 1),
        priority: withDefault(integer(0, 65_535), 0),
      }),
    ),
    allowedImporters: optional(listOf(clusterId, { max: 1024 })),
  }),
});

/** @throws UnreadableError that names the field. */
export const parseExportedService: (raw: unknown) => ExportedService = parserOf(
  'ExportedService',
  exportedService,
);

/** Labels of everything that a cluster puts into the share namespace for one Service. */
export function hubLabelsOf(
  clusterId: string,
  namespace: string,
  name: string,
): Readonly<Record<string, string>> {
  return {
    [hubLabels.clusterId]: clusterId,
    [hubLabels.serviceNamespace]: namespace,
    [hubLabels.serviceName]: name,
  };
}

/** The object that an exporting cluster applies to the hub; the hub refuses another name, or other labels. */
export function exportedServiceObject(shareNamespace: string, spec: ExportedServiceSpec): KubeObject {
  return {
    apiVersion: apiVersion(exportedServices),
    kind: exportedServices.kind,
    metadata: {
      namespace: shareNamespace,
      name: hubObjectName(spec.clusterId, spec.namespace, spec.name),
      labels: hubLabelsOf(spec.clusterId, spec.namespace, spec.name),
    },
    spec,
  };
}
