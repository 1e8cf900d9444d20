/** What a cluster is to have for one imported service: the import, its VIP and its slices. Pure. */

import type { ExportedServiceSpec } from '../api/exported-service.ts';
import type { KubeObject, OwnerReference } from '../api/meta.ts';
import {
  changedAtAnnotation,
  hubLabels,
  managedBy,
  managedByLabel,
  mcsLabels,
  routingAnnotations,
  serviceNameLabel,
  vipClusterLabel,
  vipOfLabel,
} from '../api/names.ts';
import { derivedServiceName, vipSliceName } from '../api/object-names.ts';
import { apiVersion, endpointSlices, serviceImports, services } from '../api/resource.ts';
import type { IpFamily } from '../api/service-policy.ts';
import type { Liveness } from './liveness.ts';
import { type MergedService, mergeExports } from './merge.ts';
import { readSliceText, type SliceContent, sliceText, zoneHints } from './slice-content.ts';
import { sliceFingerprint } from './slice-views.ts';
import type { PortNames } from './unite-ports.ts';
import { type DerivedService, importFingerprint, ownerLabel } from './views.ts';

/** One cluster's part in a service. */
export interface Contribution {
  readonly spec: ExportedServiceSpec;
  readonly liveness: Liveness;
  readonly slices: readonly ContributedSlice[];
}

export interface ContributedSlice {
  /** What the slice is called in every importing cluster. */
  readonly name: string;
  readonly text: string;
  /** Of this cluster's own slices: with the addresses by which it reaches the endpoints itself, where these are others. */
  readonly nearText?: string;
  readonly changedAt?: string;
}

export interface ImportTarget {
  readonly namespace: string;
  readonly name: string;
  readonly clusterId: string;
  /** Where slices go while the service's namespace does not exist here. */
  readonly localNamespace: string;
  readonly namespaceExists: boolean;
  /** Whether imports get a VIP, by a derived Service. */
  readonly clusterSetIp: boolean;
}

export interface ImportPlan {
  /** The merge of what this cluster may import; undefined where that is nothing. */
  readonly merged: MergedService | undefined;
  readonly slices: readonly PlannedSlice[];
  /** Clusters of which it is not known whether they live: slices of theirs stay as they are, and none is added. */
  readonly undecided: ReadonlySet<string>;
}

export interface PlannedSlice {
  readonly namespace: string;
  readonly name: string;
  readonly clusterId: string;
  readonly text: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly changedAt?: string;
}

export function mayImport(spec: ExportedServiceSpec, clusterId: string): boolean {
  return (
    spec.clusterId === clusterId ||
    spec.allowedImporters === undefined ||
    spec.allowedImporters.includes(clusterId)
  );
}

export function planImport(target: ImportTarget, contributions: readonly Contribution[]): ImportPlan {
  const visible = contributions.filter(one => mayImport(one.spec, target.clusterId));
  const merged = mergeExports(visible.map(one => one.spec));
  if (merged === undefined) return { merged, slices: [], undecided: new Set() };
  return {
    merged,
    slices: visible
      .filter(one => one.liveness !== 'dead')
      .flatMap(one => one.slices.flatMap(slice => plannedSlices(target, merged, one.spec, slice))),
    undecided: new Set(visible.filter(one => one.liveness === 'unknown').map(one => one.spec.clusterId)),
  };
}

/**
 * The import's slice. What answers names and what kube-proxy serves is the same slice, but for endpoints of this cluster
 * that have another address here: they get a second one for the VIP alone, so that it leads to them as every Service of
 * the cluster does, also to those that other clusters cannot reach.
 */
function plannedSlices(
  target: ImportTarget,
  merged: MergedService,
  { clusterId, routing }: ExportedServiceSpec,
  slice: ContributedSlice,
): PlannedSlice[] {
  const { namespace, name, localNamespace, namespaceExists } = target;
  const vip = namespaceExists && hasVip(target, merged);
  const nearText = vip ? slice.nearText : undefined;
  const adapt = (text: string) =>
    adapted(text, merged, merged.portNames.get(clusterId), clusterId === target.clusterId);
  const changedAt = slice.changedAt === undefined ? {} : { changedAt: slice.changedAt };
  const derived = { [serviceNameLabel]: derivedServiceName(namespace, name) };
  const planned: PlannedSlice = {
    namespace: namespaceExists ? namespace : localNamespace,
    name: slice.name,
    clusterId,
    text: adapt(slice.text),
    labels: {
      [managedByLabel]: managedBy,
      [mcsLabels.serviceName]: name,
      [mcsLabels.sourceCluster]: clusterId,
      ...(vip && nearText === undefined ? derived : {}),
      ...(namespaceExists
        ? {}
        : {
            [hubLabels.clusterId]: clusterId,
            [hubLabels.serviceNamespace]: namespace,
            [hubLabels.serviceName]: name,
          }),
    },
    annotations: routing
      ? {
          [routingAnnotations.weight]: String(routing.weight),
          [routingAnnotations.priority]: String(routing.priority),
        }
      : {},
    ...changedAt,
  };
  if (nearText === undefined) return [planned];
  const labels = {
    [managedByLabel]: managedBy,
    [vipOfLabel]: name,
    [vipClusterLabel]: clusterId,
    ...derived,
  };
  const near = { ...planned, name: vipSliceName(namespace, name, slice.name), text: adapt(nearText), labels };
  return [planned, { ...near, annotations: {} }];
}

export function hasVip({ clusterSetIp }: ImportTarget, merged: MergedService): boolean {
  return clusterSetIp && merged.type === 'ClusterSetIP' && merged.ports.length > 0;
}

/** A slice as this cluster is to see it; most need no change, and keep their text. */
function adapted(text: string, merged: MergedService, names: PortNames | undefined, own: boolean): string {
  const local = !own && merged.internalTrafficPolicy === 'Local';
  const near = /^Prefer(Close|Same)/.test(merged.trafficDistribution ?? '');
  const renamed =
    merged.type === 'ClusterSetIP' &&
    names !== undefined &&
    !(names.size === merged.ports.length && [...names].every(([from, to]) => from === to));
  if (!local && !near && !renamed) return text;
  const content = readSliceText(text);
  return sliceText({
    addressType: content.addressType,
    endpoints:
      local || near ? content.endpoints.map(one => adaptedEndpoint(one, local, near)) : content.endpoints,
    ports: renamed ? renamedPorts(content.ports, names) : content.ports,
  });
}

/**
 * @param local another cluster's node of the same name would count as this cluster's (internalTrafficPolicy).
 * @param near kube-proxy prefers by hints, which the endpoint controller sets in the same way for the Services of a
 *   cluster (KEP-4444).
 */
function adaptedEndpoint(
  endpoint: SliceContent['endpoints'][number],
  local: boolean,
  near: boolean,
): SliceContent['endpoints'][number] {
  const { addresses, conditions, hostname, nodeName, zone, targetRef } = endpoint;
  return {
    addresses,
    conditions,
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined || local ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...zoneHints(near && zone !== undefined ? [zone] : undefined),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}

function renamedPorts(ports: SliceContent['ports'], names: PortNames): SliceContent['ports'] {
  return ports.flatMap(({ name, ...port }) => {
    const renamed = names.get(name ?? '');
    if (renamed === undefined) return [];
    return [renamed === '' ? port : { name: renamed, ...port }];
  });
}

/** @param owner the ServiceImport, where the slice stands in its namespace. */
export function sliceObject(slice: PlannedSlice, owner: OwnerReference | undefined): KubeObject {
  const { changedAt } = slice;
  return {
    apiVersion: apiVersion(endpointSlices),
    kind: endpointSlices.kind,
    metadata: {
      namespace: slice.namespace,
      name: slice.name,
      labels: slice.labels,
      annotations: {
        ...slice.annotations,
        ...(changedAt === undefined ? {} : { [changedAtAnnotation]: changedAt }),
      },
      ...(owner && { ownerReferences: [owner] }),
    },
    ...readSliceText(slice.text),
  };
}

export function plannedFingerprint(slice: PlannedSlice, owner: OwnerReference | undefined): string {
  return sliceFingerprint(slice.text, {
    labels: slice.labels,
    annotations: slice.annotations,
    ...(owner && { ownerReferences: [owner] }),
  });
}

/** The ServiceImport, with the VIPs that the derived Service has got. */
export function importObject(
  target: ImportTarget,
  merged: MergedService,
  derived: DerivedService | undefined,
): { readonly object: KubeObject; readonly fingerprint: string } {
  const vip = hasVip(target, merged);
  const ips = vip ? (derived?.clusterIps ?? []) : [];
  const spec = {
    type: merged.type,
    ports: merged.ports,
    ips,
    ipFamilies: ips.length > 0 ? (derived?.ipFamilies ?? []) : merged.ipFamilies,
    sessionAffinity: merged.sessionAffinity,
    ...(merged.sessionAffinityConfig && { sessionAffinityConfig: merged.sessionAffinityConfig }),
    ...(merged.internalTrafficPolicy && { internalTrafficPolicy: merged.internalTrafficPolicy }),
    ...(merged.trafficDistribution && { trafficDistribution: merged.trafficDistribution }),
  };
  const labels = { ...merged.labels, [ownerLabel]: managedBy };
  const { annotations } = merged;
  return {
    object: {
      apiVersion: apiVersion(serviceImports),
      kind: serviceImports.kind,
      metadata: { namespace: target.namespace, name: target.name, labels, annotations },
      spec,
    },
    fingerprint: importFingerprint(spec, labels, annotations),
  };
}

/**
 * The derived Service (KEP-1645): without selector, so that nothing but our slices gives it endpoints; kube-proxy makes
 * its address work. The import does not own it: it comes first, and its address outlives an import that somebody
 * deletes.
 *
 * @param present its families stay in their order, as the API server changes the first of a Service never.
 * @param address what it is to have, where it had one before.
 */
export function derivedObject(
  target: ImportTarget,
  merged: MergedService,
  { present, address }: DerivedCircumstances,
): KubeObject {
  const { namespace, name } = target;
  return {
    apiVersion: apiVersion(services),
    kind: services.kind,
    metadata: {
      namespace,
      name: derivedServiceName(namespace, name),
      labels: { [ownerLabel]: managedBy, [mcsLabels.serviceName]: name },
    },
    spec: {
      type: 'ClusterIP',
      ports: merged.ports.map(port => ({ ...port, targetPort: port.port })),
      sessionAffinity: merged.sessionAffinity,
      ...(merged.sessionAffinityConfig && { sessionAffinityConfig: merged.sessionAffinityConfig }),
      internalTrafficPolicy: merged.internalTrafficPolicy ?? 'Cluster',
      ...(merged.trafficDistribution && { trafficDistribution: merged.trafficDistribution }),
      ...families(merged.ipFamilies, present?.ipFamilies ?? []),
      ...(address === undefined ? {} : { clusterIP: address }),
    },
  };
}

export interface DerivedCircumstances {
  readonly present: DerivedService | undefined;
  readonly address: string | undefined;
}

/** With both families this cluster may choose: it has one or both of them, in an order of its own. */
function families(
  wanted: readonly IpFamily[],
  present: readonly IpFamily[],
): { ipFamilyPolicy: string; ipFamilies?: readonly IpFamily[] } {
  if (wanted.length === 2) return { ipFamilyPolicy: 'PreferDualStack' };
  const only = present[0] ?? wanted[0];
  return { ipFamilyPolicy: 'SingleStack', ...(only === undefined ? {} : { ipFamilies: [only] }) };
}

/** Whether the derived Service that is there can become what is wanted: its first family never changes. */
export function canServe(present: DerivedService, merged: MergedService): boolean {
  const first = present.ipFamilies[0];
  return first === undefined || merged.ipFamilies.length === 0 || merged.ipFamilies.includes(first);
}
