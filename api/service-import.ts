import { conditions } from './conditions.ts';
import { clusterId, ipAddress } from './legal-names.ts';
import type { Condition } from './meta.ts';
import { type Meta, meta } from './object-meta.ts';
import {
  type Field,
  listOf,
  objectOf,
  objectOrEmpty,
  oneOf,
  optional,
  parserOf,
  withDefault,
} from './parse.ts';
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

/** multicluster.x-k8s.io ServiceImport: a service that at least one cluster exports. */
export interface ServiceImport {
  readonly metadata: Meta;
  readonly spec: {
    readonly type: ImportType;
    readonly ports: readonly ServicePort[];
    /** The VIPs, at most one a family; a headless import has none. */
    readonly ips: readonly string[];
    /** Empty where it was never said: imports of mcs-api before v0.3 have none. */
    readonly ipFamilies: readonly IpFamily[];
    readonly sessionAffinity: SessionAffinity;
    readonly sessionAffinityConfig?: SessionAffinityConfig;
    readonly internalTrafficPolicy?: InternalTrafficPolicy;
    readonly trafficDistribution?: string;
  };
  readonly status: {
    readonly clusters: readonly { readonly cluster: string }[];
    readonly conditions: readonly Condition[];
    readonly endpointSliceObjects?: 'Present' | 'Absent';
  };
}

const serviceImport: Field<ServiceImport> = objectOf({
  metadata: meta,
  spec: objectOf({
    type: importType,
    ports: servicePorts,
    ips: listOf(ipAddress, { max: 2 }),
    ipFamilies: ipFamilyList,
    sessionAffinity: withDefault(sessionAffinity, 'None'),
    sessionAffinityConfig: optional(sessionAffinityConfig),
    internalTrafficPolicy: optional(internalTrafficPolicy),
    trafficDistribution,
  }),
  status: objectOrEmpty({
    clusters: listOf(objectOf({ cluster: clusterId })),
    conditions,
    endpointSliceObjects: optional(oneOf('Present', 'Absent')),
  }),
});

/** @throws UnreadableError that names the field. */
export const parseServiceImport: (raw: unknown) => ServiceImport = parserOf('ServiceImport', serviceImport);
