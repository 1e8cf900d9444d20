import type { KubeObject } from '../api/meta.ts';
import { objectKey } from '../api/meta.ts';
import { gatewayAddressLabel, gatewayPodLabel } from '../api/names.ts';
import {
  anyText,
  boolean,
  integer,
  listOf,
  objectOf,
  objectOrEmpty,
  optional,
  optionalText,
  parserOf,
  textMap,
  withDefault,
} from '../api/parse.ts';
import { allocationAnnotations, showsAnnotations } from './annotations.ts';
import type { PortOwner } from './port-owner.ts';

/**
 * What is known of a pod: what decides over its address, and nothing else. It is finished when its phase is Succeeded or
 * Failed: no container of it will run again. It is stateful where a StatefulSet makes it again.
 */
export interface WatchedPod extends PortOwner {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The reason of our condition on it, while it says that there is no address. */
  readonly refusal?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Numbers of its named ports, `<protocol>/<name>` → number, for Services that name their target. */
  readonly namedPorts: Readonly<Record<string, number>>;
}

/** Type of the condition that says why a pod has no address. */
export const addressCondition = 'nauti.io/SecondaryAddress';

const frame = parserOf(
  'Pod',
  objectOf({
    metadata: objectOf({
      name: anyText,
      namespace: anyText,
      uid: anyText,
      creationTimestamp: optionalText(anyText),
      deletionTimestamp: optionalText(anyText),
      deletionGracePeriodSeconds: optional(integer(0, Number.MAX_SAFE_INTEGER)),
      labels: textMap,
      annotations: textMap,
      ownerReferences: listOf(objectOf({ kind: anyText, controller: withDefault(boolean, false) })),
    }),
    spec: objectOf({
      hostNetwork: withDefault(boolean, false),
      serviceAccountName: withDefault(anyText, ''),
      containers: listOf(
        objectOf({
          ports: listOf(
            objectOf({
              name: optionalText(anyText),
              containerPort: integer(1, 65_535),
              protocol: withDefault(anyText, 'TCP'),
            }),
          ),
        }),
      ),
    }),
    status: objectOrEmpty({
      phase: optionalText(anyText),
      conditions: listOf(objectOf({ type: anyText, status: anyText, reason: optionalText(anyText) })),
    }),
  }),
);

/**
 * Reads a pod; undefined for those on the host's network, which have no NIC of their own.
 *
 * @throws UnreadableError that names the field.
 */
export function readPod(object: KubeObject): WatchedPod | undefined {
  const { metadata, spec, status } = frame(object);
  if (spec.hostNetwork) return undefined;
  const condition = status.conditions.find(
    ({ type, status }) => type === addressCondition && status === 'False',
  );
  const goneAt = whenGone(metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds);
  return {
    key: objectKey(metadata.namespace, metadata.name),
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    createdAt: Date.parse(metadata.creationTimestamp ?? '') || 0,
    isFinished: status.phase === 'Succeeded' || status.phase === 'Failed',
    ...(goneAt === undefined ? {} : { goneAt }),
    serviceAccount: spec.serviceAccountName,
    isLabelledGateway: metadata.labels[gatewayPodLabel] === 'true',
    isCandidate: metadata.labels[gatewayAddressLabel] === 'elected',
    isStateful: metadata.ownerReferences.some(({ kind, controller }) => controller && kind === 'StatefulSet'),
    annotations: allocationAnnotations(metadata.annotations),
    ...(condition?.reason === undefined ? {} : { refusal: condition.reason }),
    labels: metadata.labels,
    namedPorts: namedPorts(spec.containers),
  };
}

/**
 * A deletion's time, which the API server sets to the end of the grace period, and the grace period once more: a node
 * that died never reports that the pod is gone.
 */
function whenGone(deletion: string | undefined, graceSeconds: number | undefined): number | undefined {
  if (deletion === undefined) return undefined;
  const at = Date.parse(deletion);
  return Number.isNaN(at) ? undefined : at + (graceSeconds ?? 0) * 1000;
}

type Containers = readonly {
  readonly ports: readonly {
    readonly name?: string;
    readonly containerPort: number;
    readonly protocol: string;
  }[];
}[];

function namedPorts(containers: Containers): Record<string, number> {
  const ports: Record<string, number> = {};
  for (const container of containers) {
    for (const { name, containerPort, protocol } of container.ports) {
      if (name !== undefined) ports[`${protocol}/${name}`] = containerPort;
    }
  }
  return ports;
}

/** Whether two views of a pod say the same to this component. */
export function samePod(a: WatchedPod, b: WatchedPod): boolean {
  return (
    a.uid === b.uid &&
    a.isFinished === b.isFinished &&
    a.goneAt === b.goneAt &&
    a.refusal === b.refusal &&
    a.isLabelledGateway === b.isLabelledGateway &&
    showsAnnotations(a.annotations, b.annotations) &&
    sameTexts(a.labels, b.labels)
  );
}

function sameTexts(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every(name => a[name] === b[name]);
}
