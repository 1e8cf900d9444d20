import { ipAddress } from './legal-names.ts';
import { type Meta, meta } from './object-meta.ts';
import {
  anyText,
  boolean,
  checked,
  type Field,
  listOf,
  objectOf,
  oneOf,
  optional,
  optionalText,
  parserOf,
  textMap,
  withDefault,
} from './parse.ts';
import {
  type InternalTrafficPolicy,
  type IpFamily,
  internalTrafficPolicy,
  ipFamilyList,
  type SessionAffinity,
  type SessionAffinityConfig,
  sessionAffinity,
  sessionAffinityConfig,
  trafficDistribution,
} from './service-policy.ts';
import { type ServicePort, servicePorts } from './service-port.ts';

/** v1 Service. */
export interface Service {
  readonly metadata: Meta;
  readonly spec: {
    readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
    readonly ports: readonly ServicePort[];
    /** `None`: headless. Absent before allocation, and for ExternalName. */
    readonly clusterIP?: string;
    readonly clusterIPs: readonly string[];
    readonly ipFamilies: readonly IpFamily[];
    /** Empty: endpoints are made by hand. */
    readonly selector: Readonly<Record<string, string>>;
    readonly sessionAffinity: SessionAffinity;
    readonly sessionAffinityConfig?: SessionAffinityConfig;
    readonly internalTrafficPolicy?: InternalTrafficPolicy;
    readonly trafficDistribution?: string;
    readonly publishNotReadyAddresses: boolean;
  };
}

const clusterIp = checked(
  'an IP address or None',
  (value): value is string => value === 'None' || isAddress(value),
);

function isAddress(value: unknown): boolean {
  try {
    ipAddress.read(value);
    return true;
  } catch {
    return false;
  }
}

const service: Field<Service> = objectOf({
  metadata: meta,
  spec: objectOf({
    type: withDefault(oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'), 'ClusterIP'),
    ports: servicePorts,
    clusterIP: optionalText(clusterIp),
    clusterIPs: listOf(clusterIp, { max: 2 }),
    ipFamilies: ipFamilyList,
    selector: textMap,
    sessionAffinity: withDefault(sessionAffinity, 'None'),
    sessionAffinityConfig: optional(sessionAffinityConfig),
    internalTrafficPolicy: optional(internalTrafficPolicy),
    trafficDistribution,
    publishNotReadyAddresses: withDefault(boolean, false),
    externalName: optionalText(anyText),
  }),
});

/** @throws UnreadableError that names the field. */
export const parseService: (raw: unknown) => Service = parserOf('Service', service);

/** A Service without an address of its own: clients get its endpoints. */
export function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === 'None';
}
