import { portNumber } from './legal-names.ts';
import {
  anyText,
  listOf,
  type ObjectOf,
  objectOf,
  oneOf,
  optionalText,
  textThat,
  withDefault,
} from './parse.ts';

export const protocols = ['TCP', 'UDP', 'SCTP'] as const;
export type Protocol = (typeof protocols)[number];

/** RFC 6335 with upper case left out, as the API server demands of a Service's ports, but up to 63 characters. */
export const portName = textThat(
  'a port name of at most 63 characters of a-z, 0-9 and -',
  text => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text),
  63,
);

const shape = {
  /** Absent where the port has no name. */
  name: optionalText(portName),
  protocol: withDefault(oneOf(...protocols), 'TCP'),
  port: portNumber,
  appProtocol: optionalText(anyText),
};

/** A port of an exported or imported service: what clients connect to. */
export type ServicePort = ObjectOf<typeof shape>;
export const servicePort = objectOf(shape);
export const servicePorts = listOf(servicePort, { max: 256 });
