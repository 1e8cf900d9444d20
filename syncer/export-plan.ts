/** What a cluster is to have on the hub for one of its Services. Pure. */

import { type ExportedServiceSpec, exportedServiceObject, hubLabelsOf } from '../api/exported-service.ts';
import type { KubeObject, ObjectMeta } from '../api/meta.ts';
import { changedAtAnnotation, managedBy, managedByLabel, serviceNameLabel } from '../api/names.ts';
import { hubObjectName, hubServiceName } from '../api/object-names.ts';
import { UnreadableError } from '../api/parse.ts';
import { apiVersion, endpointSlices } from '../api/resource.ts';
import { type ExportSteering, steeringOf } from '../api/service-export.ts';
import type { ServicePort } from '../api/service-port.ts';
import { type AddressStrategy, podAddresses, publishedText } from './published-addresses.ts';
import { readSliceText } from './slice-content.ts';
import { type HubSlice, type SourceSlice, sliceFingerprint } from './slice-views.ts';
import { isTold, toldFamilies } from './told-families.ts';
import {
  canonicalText,
  type DerivedService,
  type ExportView,
  type HubExport,
  type SourceService,
} from './views.ts';

/** Why an export cannot be served: the reasons of its condition `Valid`. */
export type Refusal = 'NoService' | 'InvalidServiceType' | 'InvalidAnnotation';

export type ExportPlan =
  /** Nobody asks for an export, or no longer: nothing may be left on the hub. */
  | { readonly kind: 'withdrawn' }
  /** As before, and the export says why. */
  | { readonly kind: 'refused'; readonly reason: Refusal; readonly message: string }
  /** What is to be published cannot be read: whatever was published stays. */
  | { readonly kind: 'unreadable'; readonly message: string }
  | {
      readonly kind: 'exported';
      readonly spec: ExportedServiceSpec;
      readonly slices: readonly PublishedSlice[];
    };

export interface PublishedSlice {
  /** Of the slice in its own cluster. */
  readonly name: string;
  readonly text: string;
  /** With the addresses by which its own cluster reaches the endpoints, where these are others. */
  readonly nearText?: string;
}

export interface ExportInputs {
  readonly clusterId: string;
  readonly export: ExportView | undefined;
  readonly service: SourceService | DerivedService | undefined;
  /** Why the Service or the export could not be read, if that is so. */
  readonly unreadable: string | undefined;
  readonly slices: readonly SourceSlice[];
  readonly addresses: AddressStrategy;
}

export function planExport(inputs: ExportInputs): ExportPlan {
  const { export: asked, service, unreadable } = inputs;
  if (unreadable !== undefined && (asked === undefined || service === undefined)) {
    return { kind: 'unreadable', message: unreadable };
  }
  if (asked === undefined || asked.deleting) return { kind: 'withdrawn' };
  if (service === undefined) {
    return refused('NoService', `there is no Service ${asked.namespace}/${asked.name}`);
  }
  if (service.kind === 'derived') {
    return refused('InvalidServiceType', 'the Service is the VIP of an import, which is not exported again');
  }
  if (service.spec.type === 'ExternalName') {
    return refused('InvalidServiceType', 'a Service of type ExternalName has no endpoints to export');
  }
  try {
    return exported(inputs, asked, service, steeringOf(asked.steering));
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    return refused('InvalidAnnotation', error.message);
  }
}

function refused(reason: Refusal, message: string): ExportPlan {
  return { kind: 'refused', reason, message };
}

function exported(
  { clusterId, slices, addresses }: ExportInputs,
  asked: ExportView,
  { spec }: SourceService,
  steering: ExportSteering,
): ExportPlan {
  const affine = spec.sessionAffinity === 'ClientIP';
  const published = slices.flatMap(slice => {
    const text = publishedText(slice, addresses, spec.publishNotReadyAddresses);
    return text === undefined ? [] : [{ slice, text }];
  });
  const ipFamilies = toldFamilies(spec.ipFamilies, published);
  return {
    kind: 'exported',
    spec: {
      clusterId,
      namespace: asked.namespace,
      name: asked.name,
      exportedAt: asked.createdAt,
      type: spec.clusterIP === 'None' ? 'Headless' : 'ClusterSetIP',
      ports: spec.ports.map(canonicalPort).sort(comparePorts),
      ipFamilies,
      sessionAffinity: spec.sessionAffinity,
      ...(affine && spec.sessionAffinityConfig && { sessionAffinityConfig: spec.sessionAffinityConfig }),
      ...(spec.internalTrafficPolicy && { internalTrafficPolicy: spec.internalTrafficPolicy }),
      ...(spec.trafficDistribution && { trafficDistribution: spec.trafficDistribution }),
      ...(spec.publishNotReadyAddresses && { publishNotReadyAddresses: true }),
      exportedLabels: asked.exportedLabels,
      exportedAnnotations: asked.exportedAnnotations,
      ...steering,
    },
    slices: published.flatMap(({ slice, text }) => {
      if (!isTold(text, spec.ipFamilies, ipFamilies)) return [];
      const nearText = publishedText(slice, podAddresses, spec.publishNotReadyAddresses);
      const isOther = nearText !== undefined && nearText !== text;
      return [{ name: slice.name, text, ...(isOther && { nearText }) }];
    }),
  };
}

function canonicalPort(port: ServicePort): ServicePort {
  return {
    ...(port.name === undefined ? {} : { name: port.name }),
    protocol: port.protocol,
    port: port.port,
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
  };
}

/** The hub keeps ports as a map; an order of our own makes all importers see the same. */
function comparePorts(a: ServicePort, b: ServicePort): number {
  return a.port - b.port || (a.protocol < b.protocol ? -1 : 1);
}

/** What is to be written to the hub, and removed from it, for one Service. */
export interface HubChanges {
  readonly apply: {
    readonly exportedService: KubeObject | undefined;
    readonly slices: readonly KubeObject[];
  };
  readonly remove: { readonly exportedServices: readonly string[]; readonly slices: readonly string[] };
}

export interface HubState {
  readonly shareNamespace: string;
  readonly clusterId: string;
  /** What the hub has of this cluster for the Service. */
  readonly exports: readonly HubExport[];
  readonly slices: readonly HubSlice[];
  /** When the change of a slice of that name happened. */
  readonly changedAt: (sliceName: string) => string | undefined;
}

export function planHubChanges(plan: ExportPlan, hub: HubState): HubChanges {
  if (plan.kind === 'unreadable') {
    return {
      apply: { exportedService: undefined, slices: [] },
      remove: { exportedServices: [], slices: [] },
    };
  }
  const object = plan.kind === 'exported' ? exportedServiceObject(hub.shareNamespace, plan.spec) : undefined;
  const known = new Map(hub.slices.map(slice => [slice.name, slice.fingerprint]));
  const wanted = new Set<string>();
  const slices: KubeObject[] = [];
  if (plan.kind === 'exported') {
    for (const slice of plan.slices) {
      const metadata = hubSliceMetadata(slice, hub, plan.spec);
      wanted.add(metadata.name);
      if (known.get(metadata.name) === sliceFingerprint(slice.text, metadata)) continue;
      slices.push(hubSlice(slice, metadata, hub.changedAt(slice.name)));
    }
  }
  const present = hub.exports.find(one => one.objectName === object?.metadata.name);
  return {
    apply: {
      exportedService:
        object !== undefined && present?.fingerprint !== canonicalText(object.spec) ? object : undefined,
      slices,
    },
    remove: {
      exportedServices: hub.exports
        .filter(one => one.objectName !== object?.metadata.name)
        .map(one => one.objectName),
      slices: hub.slices.filter(slice => !wanted.has(slice.name)).map(slice => slice.name),
    },
  };
}

function hubSliceMetadata(
  slice: PublishedSlice,
  { shareNamespace, clusterId }: HubState,
  { namespace, name }: ExportedServiceSpec,
): { namespace: string; name: string; labels: Readonly<Record<string, string>> } {
  return {
    namespace: shareNamespace,
    name: hubObjectName(clusterId, namespace, slice.name),
    labels: {
      ...hubLabelsOf(clusterId, namespace, name),
      [serviceNameLabel]: hubServiceName(clusterId, namespace, name),
      [managedByLabel]: managedBy,
    },
  };
}

function hubSlice(slice: PublishedSlice, metadata: ObjectMeta, changedAt: string | undefined): KubeObject {
  const annotations = changedAt === undefined ? {} : { [changedAtAnnotation]: changedAt };
  return {
    apiVersion: apiVersion(endpointSlices),
    kind: endpointSlices.kind,
    metadata: { ...metadata, annotations },
    ...readSliceText(slice.text),
  };
}
