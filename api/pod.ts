import { ipAddress } from './legal-names.ts';
import { type Meta, meta } from './object-meta.ts';
import {
  anyText,
  boolean,
  type Field,
  listOf,
  objectOf,
  objectOrEmpty,
  optionalText,
  parserOf,
  withDefault,
} from './parse.ts';

/** v1 Pod, as far as its place, life and addresses go. */
export interface Pod {
  readonly metadata: Meta;
  readonly spec: {
    readonly nodeName?: string;
    readonly hostNetwork: boolean;
    readonly hostname?: string;
    readonly subdomain?: string;
    /** Always, OnFailure or Never. */
    readonly restartPolicy: string;
  };
  readonly status: {
    /** Pending, Running, Succeeded, Failed or Unknown; absent on a pod that nobody has seen yet. */
    readonly phase?: string;
    /** For example Evicted. */
    readonly reason?: string;
    readonly podIPs: readonly string[];
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}

const pod: Field<Pod> = {
  read: value => {
    const { metadata, spec, status } = frame.read(value);
    return { metadata, spec, status: { ...status, podIPs: status.podIPs.map(entry => entry.ip) } };
  },
};

const frame = objectOf({
  metadata: meta,
  spec: objectOf({
    nodeName: optionalText(anyText),
    hostNetwork: withDefault(boolean, false),
    hostname: optionalText(anyText),
    subdomain: optionalText(anyText),
    restartPolicy: withDefault(anyText, 'Always'),
  }),
  status: objectOrEmpty({
    phase: optionalText(anyText),
    reason: optionalText(anyText),
    podIPs: listOf(objectOf({ ip: ipAddress })),
    conditions: listOf(objectOf({ type: anyText, status: anyText })),
  }),
});

/** @throws UnreadableError that names the field. */
export const parsePod: (raw: unknown) => Pod = parserOf('Pod', pod);

/** The pod's Ready condition. */
export function isReady(pod: Pod): boolean {
  return pod.status.conditions.some(condition => condition.type === 'Ready' && condition.status === 'True');
}
