import { dnsLabel, ipv4, ipv6 } from './legal-names.ts';
import { type Meta, meta } from './object-meta.ts';
import {
  anyText,
  boolean,
  type Field,
  integer,
  listOf,
  objectOf,
  oneOf,
  optional,
  optionalText,
  parserOf,
  UnreadableError,
  withDefault,
} from './parse.ts';
import { type Protocol, portName, protocols } from './service-port.ts';

/** discovery.k8s.io EndpointSlice. Its conditions are resolved: what is absent has got the meaning of the API. */
export interface EndpointSlice {
  readonly metadata: Meta;
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly EndpointPort[];
}

export interface Endpoint {
  /** Of the slice's address type. More than one are the same backend; consumers use the first. */
  readonly addresses: readonly string[];
  /** Absent is ready. */
  readonly ready: boolean;
  /** Absent is as `ready`. */
  readonly serving: boolean;
  /** Absent is not terminating. */
  readonly terminating: boolean;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: ObjectReference;
}

export interface ObjectReference {
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
}

export interface EndpointPort {
  /** Absent where the port has no name. */
  readonly name?: string;
  readonly protocol: Protocol;
  /** Absent: all ports, as the consumer understands it. */
  readonly port?: number;
  readonly appProtocol?: string;
}

/** discovery.k8s.io's own limits. */
const mostEndpoints = 1000;
const mostAddresses = 100;
const mostPorts = 20_000;

const conditions = optional(
  objectOf({ ready: optional(boolean), serving: optional(boolean), terminating: optional(boolean) }),
);

const targetRef = optional(
  objectOf({
    kind: optionalText(anyText),
    namespace: optionalText(anyText),
    name: optionalText(anyText),
    uid: optionalText(anyText),
  }),
);

function endpointWith(address: Field<string>): Field<Endpoint> {
  const shape = objectOf({
    addresses: listOf(address, { min: 1, max: mostAddresses }),
    conditions,
    hostname: optionalText(dnsLabel),
    nodeName: optionalText(anyText),
    zone: optionalText(anyText),
    targetRef,
  });
  return {
    read(value) {
      const { addresses, conditions, hostname, nodeName, zone, targetRef } = shape.read(value);
      const ready = conditions?.ready ?? true;
      return {
        addresses,
        ready,
        serving: conditions?.serving ?? ready,
        terminating: conditions?.terminating ?? false,
        ...(hostname !== undefined && { hostname }),
        ...(nodeName !== undefined && { nodeName }),
        ...(zone !== undefined && { zone }),
        ...(targetRef !== undefined && { targetRef }),
      };
    },
  };
}

const endpointsByType = {
  IPv4: listOf(endpointWith(ipv4), { max: mostEndpoints }),
  IPv6: listOf(endpointWith(ipv6), { max: mostEndpoints }),
  FQDN: listOf(endpointWith(anyText), { max: mostEndpoints }),
} as const;

const endpointPort: Field<EndpointPort> = objectOf({
  name: optionalText(portName),
  protocol: withDefault(oneOf(...protocols), 'TCP'),
  port: optional(integer(1, 65_535)),
  appProtocol: optionalText(anyText),
});

const frame = objectOf({
  metadata: meta,
  addressType: oneOf('IPv4', 'IPv6', 'FQDN'),
  ports: listOf(endpointPort, { max: mostPorts }),
});

const endpointSlice: Field<EndpointSlice> = {
  read(value) {
    const slice = frame.read(value);
    try {
      return {
        ...slice,
        endpoints: endpointsByType[slice.addressType].read((value as { endpoints?: unknown }).endpoints),
      };
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      throw new UnreadableError(error.expected, error.current, ['endpoints', ...error.path]);
    }
  },
};

/** @throws UnreadableError that names the field. */
export const parseEndpointSlice: (raw: unknown) => EndpointSlice = parserOf('EndpointSlice', endpointSlice);
