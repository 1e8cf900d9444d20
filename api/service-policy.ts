/** Fields that Service, ServiceImport and ExportedService have in common, with the meaning that the Service gives them. */

import { integer, listOf, objectOf, oneOf, optional, optionalText, textThat, type ValueOf } from './parse.ts';

export const ipFamilies = ['IPv4', 'IPv6'] as const;
export type IpFamily = (typeof ipFamilies)[number];
export const ipFamily = oneOf(...ipFamilies);
export const ipFamilyList = listOf(ipFamily, { max: 2 });

export const sessionAffinities = ['None', 'ClientIP'] as const;
export type SessionAffinity = (typeof sessionAffinities)[number];
export const sessionAffinity = oneOf(...sessionAffinities);

export const sessionAffinityConfig = objectOf({
  clientIP: optional(objectOf({ timeoutSeconds: optional(integer(1, 86_400)) })),
});
export type SessionAffinityConfig = ValueOf<typeof sessionAffinityConfig>;

export const internalTrafficPolicies = ['Cluster', 'Local'] as const;
export type InternalTrafficPolicy = (typeof internalTrafficPolicies)[number];
export const internalTrafficPolicy = oneOf(...internalTrafficPolicies);

/** Open-ended in Kubernetes: `PreferClose`, `PreferSameZone`, `PreferSameNode`, or another's extension. */
export const trafficDistribution = optionalText(
  textThat('a traffic distribution such as PreferClose', text => /^[A-Za-z0-9./-]+$/.test(text), 128),
);

export const importTypes = ['ClusterSetIP', 'Headless'] as const;
export type ImportType = (typeof importTypes)[number];
export const importType = oneOf(...importTypes);
