/** What the caches keep of EndpointSlices: texts and fingerprints instead of objects. */

import { parseEndpointSlice } from '../api/endpoint-slice.ts';
import { isClusterId, isDnsLabel } from '../api/legal-names.ts';
import { type KubeObject, type ObjectMeta, objectKey } from '../api/meta.ts';
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
import { triggerTimeAnnotation } from './change-times.ts';
import { contentOf, digest, sliceText } from './slice-content.ts';

/** A slice of a Service of this cluster, made by Kubernetes or by hand. */
export interface SourceSlice {
  readonly kind: 'source';
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of the Service. */
  readonly service: string;
  readonly text: string;
  /** When Kubernetes says that the change happened. */
  readonly trigger?: string;
}

/** A slice that this or an earlier syncer made here for an import. */
export interface ImportedSlice {
  readonly kind: 'imported';
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of the imported service. */
  readonly service: string;
  readonly clusterId: string;
  readonly fingerprint: string;
}

/** A slice that a cluster has on the hub. */
export interface HubSlice {
  readonly name: string;
  readonly service: string;
  readonly clusterId: string;
  /** Absent for this cluster's own, of which only the fingerprint matters. */
  readonly text?: string;
  readonly fingerprint: string;
  readonly changedAt?: string;
}

const markLabels = [
  managedByLabel,
  serviceNameLabel,
  vipOfLabel,
  vipClusterLabel,
  ...Object.values(mcsLabels),
  ...Object.values(hubLabels),
];
const markAnnotations = Object.values(routingAnnotations);

/**
 * Equal for slices that say the same, and carry the same of the marks that we write. The time of the change is not one
 * of them: it alone is no reason to write.
 */
export function sliceFingerprint(text: string, metadata: ObjectMeta): string {
  const marks = [
    ...markLabels.map(label => metadata.labels?.[label] ?? null),
    ...markAnnotations.map(annotation => metadata.annotations?.[annotation] ?? null),
    ...(metadata.ownerReferences ?? []).map(owner => owner.uid),
  ];
  return digest(text, JSON.stringify(marks));
}

/**
 * A slice of a member cluster.
 *
 * @param localNamespace where slices of services stand whose namespace does not exist here.
 * @returns undefined for one that is neither a Service's nor ours.
 * @throws UnreadableError
 */
export function readLocalSlice(
  object: KubeObject,
  localNamespace: string,
): SourceSlice | ImportedSlice | undefined {
  const { namespace = '', name = '', labels = {} } = object.metadata;
  if (labels[managedByLabel] === managedBy) return readImported(object, namespace, name, localNamespace);
  const service = labels[serviceNameLabel];
  if (service === undefined || service === '') return undefined;
  const slice = parseEndpointSlice(object);
  const trigger = object.metadata.annotations?.[triggerTimeAnnotation];
  return {
    kind: 'source',
    namespace,
    name,
    service: objectKey(namespace, service),
    text: sliceText(contentOf(slice)),
    ...(trigger === undefined ? {} : { trigger }),
  };
}

/**
 * Whatever it has become, a slice that is marked as ours stays under our eyes: one that cannot be read, or lacks its
 * labels, has a fingerprint that no slice of ours has, and is written anew or removed.
 */
function readImported(
  object: KubeObject,
  namespace: string,
  name: string,
  localNamespace: string,
): ImportedSlice | undefined {
  const labels = object.metadata.labels ?? {};
  const service = labels[mcsLabels.serviceName] ?? labels[vipOfLabel];
  const clusterId = labels[mcsLabels.sourceCluster] ?? labels[vipClusterLabel];
  // The hub's own slices, where the hub is a member too.
  if (service === undefined && clusterId === undefined) return undefined;
  const elsewhere = namespace === localNamespace ? labels[hubLabels.serviceNamespace] : undefined;
  return {
    kind: 'imported',
    namespace,
    name,
    service: objectKey(elsewhere ?? namespace, service ?? ''),
    clusterId: clusterId ?? '',
    fingerprint: importedFingerprint(object),
  };
}

function importedFingerprint(object: KubeObject): string {
  try {
    const content = contentOf(parseEndpointSlice(object), index => zonesOf(object, index));
    return sliceFingerprint(sliceText(content), object.metadata);
  } catch {
    return '';
  }
}

function zonesOf(object: KubeObject, index: number): readonly string[] | undefined {
  const endpoint = (object.endpoints as readonly { hints?: { forZones?: readonly { name: string }[] } }[])[
    index
  ];
  return endpoint?.hints?.forZones?.map(zone => zone.name);
}

/**
 * A slice on the hub.
 *
 * @returns undefined for one that carries no cluster's labels.
 * @throws UnreadableError, or Error where the labels are not what they must be.
 */
export function readHubSlice(object: KubeObject, ownClusterId: string): HubSlice | undefined {
  const labels = object.metadata.labels ?? {};
  const clusterId = labels[hubLabels.clusterId];
  if (clusterId === undefined) return undefined;
  const namespace = labels[hubLabels.serviceNamespace] ?? '';
  const service = labels[hubLabels.serviceName] ?? '';
  if (!isClusterId(clusterId) || !isDnsLabel(namespace) || !isDnsLabel(service)) {
    throw new Error(
      `Cannot read EndpointSlice ${object.metadata.name} as its labels must name cluster, namespace and service: current value is ${JSON.stringify([clusterId, namespace, service]).slice(0, 200)}`,
    );
  }
  const text = sliceText(contentOf(parseEndpointSlice(object)));
  const changedAt = object.metadata.annotations?.[changedAtAnnotation];
  return {
    name: object.metadata.name ?? '',
    service: objectKey(namespace, service),
    clusterId,
    ...(clusterId === ownClusterId ? {} : { text }),
    fingerprint: sliceFingerprint(text, object.metadata),
    ...(changedAt === undefined ? {} : { changedAt }),
  };
}
