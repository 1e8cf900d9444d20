/** What the caches keep of every kind but EndpointSlices: no more than the plans ask for. */

import { type ExportedServiceSpec, parseExportedService } from '../api/exported-service.ts';
import { type Condition, type KubeObject, objectKey } from '../api/meta.ts';
import { exportFinalizer, fieldManagers, hubLabels, managedBy, mcsLabels } from '../api/names.ts';
import { derivedServiceName } from '../api/object-names.ts';
import { parseService, type Service } from '../api/service.ts';
import { parseServiceExport } from '../api/service-export.ts';
import { parseServiceImport } from '../api/service-import.ts';
import type { IpFamily } from '../api/service-policy.ts';

/** On the objects besides slices that the syncer makes in a member cluster. */
export const ownerLabel = 'app.kubernetes.io/managed-by';

export interface ExportView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  /** RFC 3339 in whole seconds, as the API server writes it. */
  readonly createdAt: string;
  /** It was deleted, and waits for its finalizers. */
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly exportedLabels: Readonly<Record<string, string>>;
  readonly exportedAnnotations: Readonly<Record<string, string>>;
  /** Of its own annotations, those that are for us. */
  readonly steering: Readonly<Record<string, string>>;
  readonly conditions: readonly Condition[];
}

/** @throws UnreadableError */
export function readExport(object: KubeObject): ExportView {
  const { metadata, spec, status } = parseServiceExport(object);
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 0,
    createdAt: metadata.creationTimestamp ?? '',
    deleting: metadata.deletionTimestamp !== undefined,
    finalizers: metadata.finalizers ?? [],
    exportedLabels: spec.exportedLabels,
    exportedAnnotations: spec.exportedAnnotations,
    steering: Object.fromEntries(
      Object.entries(metadata.annotations).filter(([key]) => key.startsWith('nauti.io/')),
    ),
    conditions: status.conditions,
  };
}

export function isFinalized(view: ExportView): boolean {
  return view.finalizers.includes(exportFinalizer);
}

/** A Service that may be exported. */
export interface SourceService {
  readonly kind: 'source';
  readonly spec: Omit<Service['spec'], 'selector' | 'clusterIPs'>;
}

/** The Service that gives an import its VIP. */
export interface DerivedService {
  readonly kind: 'derived';
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of the import. */
  readonly service: string;
  /** Of what we write into it; see {@link derivedFingerprint}. */
  readonly fingerprint: string;
  /** Absent before they are allocated. */
  readonly clusterIps: readonly string[];
  readonly ipFamilies: readonly IpFamily[];
}

/** @throws UnreadableError */
export function readService(object: KubeObject): SourceService | DerivedService {
  const service = parseService(object);
  const { namespace = '', name, labels } = service.metadata;
  const imported = labels[mcsLabels.serviceName];
  if (
    labels[ownerLabel] === managedBy &&
    imported !== undefined &&
    name === derivedServiceName(namespace, imported)
  ) {
    return {
      kind: 'derived',
      namespace,
      name,
      service: objectKey(namespace, imported),
      fingerprint: derivedFingerprint(object, service.spec),
      clusterIps: service.spec.clusterIPs,
      ipFamilies: service.spec.ipFamilies,
    };
  }
  const { selector: _selector, clusterIPs: _clusterIps, ...spec } = service.spec;
  return { kind: 'source', spec };
}

/** Equal for derived Services that say the same in all that we set. */
export function derivedFingerprint(object: KubeObject, spec: DerivedSpec): string {
  const { ipFamilyPolicy } = object.spec as { ipFamilyPolicy?: string };
  return JSON.stringify([
    // A map to the API server: it keeps an order of its own.
    spec.ports
      .map(port => [port.port, port.protocol, port.name ?? '', port.appProtocol ?? ''].join(' '))
      .sort(),
    spec.sessionAffinity,
    spec.sessionAffinity === 'None' ? 0 : (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800),
    spec.internalTrafficPolicy ?? 'Cluster',
    spec.trafficDistribution ?? '',
    ipFamilyPolicy ?? '',
  ]);
}

type DerivedSpec = Pick<
  Service['spec'],
  'ports' | 'sessionAffinity' | 'sessionAffinityConfig' | 'internalTrafficPolicy' | 'trafficDistribution'
>;

export interface ImportView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** Made by a syncer, so that a syncer may remove it. */
  readonly ours: boolean;
  readonly deleting: boolean;
  readonly ips: readonly string[];
  /** Of spec, and of the labels and annotations that the syncer owns; see {@link importFingerprint}. */
  readonly fingerprint: string;
  readonly clusterIds: readonly string[];
  readonly conditions: readonly Condition[];
  readonly endpointSliceObjects?: 'Present' | 'Absent';
}

/** @throws UnreadableError */
export function readImport(object: KubeObject): ImportView {
  const { metadata, spec, status } = parseServiceImport(object);
  const owned = ownedKeys(object);
  const { labels, annotations } = metadata;
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    generation: metadata.generation ?? 0,
    ours: labels[ownerLabel] === managedBy,
    deleting: metadata.deletionTimestamp !== undefined,
    ips: spec.ips,
    fingerprint: importFingerprint(spec, only(labels, owned.labels), only(annotations, owned.annotations)),
    clusterIds: status.clusters.map(cluster => cluster.cluster),
    conditions: status.conditions,
    ...(status.endpointSliceObjects && { endpointSliceObjects: status.endpointSliceObjects }),
  };
}

/** Equal for imports that say the same in all that we set. */
export function importFingerprint(
  spec: Readonly<Record<string, unknown>>,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
): string {
  return canonicalText([spec, labels, annotations]);
}

/** JSON with sorted keys. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function only(map: Readonly<Record<string, string>>, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.flatMap(key => (map[key] === undefined ? [] : [[key, map[key]]])));
}

/**
 * The labels and annotations that were set by server-side apply of the syncer and that nobody else took over.
 * Without them an exported label that is exported no more could not be told from one that a person has set.
 */
function ownedKeys(object: KubeObject): { labels: readonly string[]; annotations: readonly string[] } {
  const { managedFields } = object.metadata as { managedFields?: readonly ManagedFields[] };
  const own = managedFields?.find(
    entry => entry.manager === fieldManagers.syncer && entry.operation === 'Apply' && !entry.subresource,
  );
  const metadata = own?.fieldsV1?.['f:metadata'];
  return { labels: fieldNames(metadata?.['f:labels']), annotations: fieldNames(metadata?.['f:annotations']) };
}

interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly fieldsV1?: { readonly 'f:metadata'?: Readonly<Record<string, object>> };
}

function fieldNames(fields: object | undefined): readonly string[] {
  return Object.keys(fields ?? {}).flatMap(key => (key.startsWith('f:') ? [key.slice(2)] : []));
}

/** Whether objects can be created in a namespace. */
export function readNamespace(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp === undefined;
}

/** One cluster's export on the hub. */
export interface HubExport {
  readonly objectName: string;
  readonly clusterId: string;
  /** `namespace/name` of the Service. */
  readonly service: string;
  readonly spec: ExportedServiceSpec;
  readonly fingerprint: string;
}

/**
 * @throws UnreadableError, or Error where the labels, which the hub checks against the writer, say otherwise than the
 * spec.
 */
export function readHubExport(object: KubeObject): HubExport {
  const { metadata, spec } = parseExportedService(object);
  const claimed = [spec.clusterId, spec.namespace, spec.name];
  const labelled = [hubLabels.clusterId, hubLabels.serviceNamespace, hubLabels.serviceName].map(
    label => metadata.labels[label],
  );
  if (claimed.some((value, index) => value !== labelled[index])) {
    throw new Error(
      `Cannot read ExportedService ${metadata.name} as its labels must be those of its spec: current value is ${JSON.stringify([claimed, labelled]).slice(0, 400)}`,
    );
  }
  return {
    objectName: metadata.name,
    clusterId: spec.clusterId,
    service: objectKey(spec.namespace, spec.name),
    spec,
    fingerprint: canonicalText(spec),
  };
}

/** A cluster's lease on the hub. */
export interface LeaseView {
  readonly clusterId: string;
  readonly renewTime: string | undefined;
}

/** @returns undefined for a lease that is no cluster's. */
export function readLease(object: KubeObject): LeaseView | undefined {
  const clusterId = object.metadata.labels?.[hubLabels.clusterId];
  if (clusterId === undefined || clusterId !== object.metadata.name) return undefined;
  const { renewTime } = (object.spec ?? {}) as { renewTime?: unknown };
  return { clusterId, renewTime: typeof renewTime === 'string' ? renewTime : undefined };
}
