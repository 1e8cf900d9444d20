import type { KubeObject } from '../api/meta.ts';
import { objectKey } from '../api/meta.ts';
import {
  anyText,
  type Field,
  integer,
  listOf,
  objectOf,
  optional,
  parserOf,
  textMap,
  UnreadableError,
  withDefault,
} from '../api/parse.ts';
import { isolateLabel } from './watched-namespace.ts';

/** What of a Service matters to isolation. */
export interface WatchedService {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly isIsolated: boolean;
  readonly selector: Readonly<Record<string, string>>;
  readonly targets: readonly Target[];
}

/** A port of the pods behind a Service. */
export interface Target {
  readonly protocol: Protocol;
  /** A number, or the name of a container's port. */
  readonly port: number | string;
}

/** Those that OVN can match. */
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

const numberOrText: Field<number | string> = {
  read(value) {
    if (typeof value === 'number' || typeof value === 'string') return value;
    throw new UnreadableError('a number or a text', value);
  },
};

const protocol: Field<Protocol> = {
  read(value) {
    if (value === 'TCP' || value === 'UDP' || value === 'SCTP') return value;
    throw new UnreadableError('one of TCP, UDP, SCTP', value);
  },
};

const frame = parserOf(
  'Service',
  objectOf({
    metadata: objectOf({ name: anyText, namespace: anyText, labels: textMap }),
    spec: objectOf({
      selector: textMap,
      ports: listOf(
        objectOf({
          port: integer(1, 65_535),
          protocol: withDefault(protocol, 'TCP'),
          targetPort: optional(numberOrText),
        }),
      ),
    }),
  }),
);

/** @throws UnreadableError that names the field. */
export function readService(object: KubeObject): WatchedService {
  const { metadata, spec } = frame(object);
  return {
    key: objectKey(metadata.namespace, metadata.name),
    namespace: metadata.namespace,
    isIsolated: metadata.labels[isolateLabel] === 'true',
    selector: spec.selector,
    targets: spec.ports.map(port => ({ protocol: port.protocol, port: port.targetPort ?? port.port })),
  };
}

/** Whether a Service's pods include one with these labels; a Service without a selector has no pods of its own. */
export function selects(service: WatchedService, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(service.selector);
  return wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value);
}
