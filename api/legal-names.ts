/** What may be a name. All checks are of whole texts. */

import { isIPv4, isIPv6 } from 'node:net';
import { checked, type Field, integer, textThat } from './parse.ts';

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** RFC 1123 label in lower case, at most 63 characters. */
export function isDnsLabel(text: string): boolean {
  return label.test(text);
}

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** The name of most objects, as Kubernetes has it: at most 253 characters, and a part between dots may be long. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && subdomain.test(text);
}

/** One DNS label, or two joined by a dot (KEP-1645), at most 63 characters so that it can be a label's value. */
export function isClusterId(text: string): boolean {
  const labels = text.split('.');
  return text.length <= 63 && labels.length <= 2 && labels.every(isDnsLabel);
}

/** The value of a Kubernetes label: at most 63 characters, the empty text too. */
export function isLabelValue(text: string): boolean {
  return labelValue.test(text);
}

/** An address and a prefix length, the bits behind the prefix all zero: `10.113.0.0/16`, `fd00:10::/64`. */
export function isCidr(text: string): boolean {
  const slash = text.indexOf('/');
  const address = text.slice(0, slash);
  const prefix = text.slice(slash + 1);
  if (slash < 0 || !/^(0|[1-9]\d{0,2})$/.test(prefix)) return false;
  const bytes = isIPv4(address) ? bytesOf4(address) : isIPv6(address) ? bytesOf6(address) : undefined;
  return bytes !== undefined && Number(prefix) <= bytes.length * 8 && hostBitsAreZero(bytes, Number(prefix));
}

function bytesOf4(address: string): readonly number[] {
  return address.split('.').map(Number);
}

function bytesOf6(address: string): readonly number[] | undefined {
  // A zone (%eth0) or an embedded IPv4 address has no place in a CIDR that several clusters share.
  if (address.includes('%') || address.includes('.')) return undefined;
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = new Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].flatMap(group => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

function hostBitsAreZero(bytes: readonly number[], prefix: number): boolean {
  return bytes.every((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix - index * 8));
    return (byte & (0xff >> kept)) === 0;
  });
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
const utcSeconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

export const dnsLabel: Field<string> = textThat(
  'a DNS label of at most 63 characters of a-z, 0-9 and -',
  isDnsLabel,
  63,
);
export const dnsSubdomain: Field<string> = textThat(
  'a DNS name of at most 253 characters of a-z, 0-9, - and .',
  isDnsSubdomain,
  253,
);
export const clusterId: Field<string> = textThat(
  'a cluster id: one DNS label of at most 63 characters of a-z, 0-9 and -, or two joined by a dot',
  isClusterId,
  63,
);
export const cidr: Field<string> = textThat(
  'a CIDR whose host bits are zero, such as 10.113.0.0/16',
  isCidr,
  64,
);
export const timestamp: Field<string> = textThat(
  'an RFC 3339 time such as 2025-03-01T12:00:00Z',
  text => time.test(text) && !Number.isNaN(Date.parse(text)),
  40,
);
/** As metav1.Time is written; texts of this form sort as the times do. */
export const timestampInSeconds: Field<string> = textThat(
  'an RFC 3339 time in UTC and whole seconds such as 2025-03-01T12:00:00Z',
  text => utcSeconds.test(text) && !Number.isNaN(Date.parse(text)),
  20,
);
export const portNumber: Field<number> = integer(1, 65_535);
export const ipv4: Field<string> = checked(
  'an IPv4 address',
  (value): value is string => typeof value === 'string' && isIPv4(value),
);
/** Without a zone index. */
export const ipv6: Field<string> = checked(
  'an IPv6 address',
  (value): value is string => typeof value === 'string' && isIPv6(value) && !value.includes('%'),
);
export const ipAddress: Field<string> = checked(
  'an IP address',
  (value): value is string =>
    typeof value === 'string' && (isIPv4(value) || (isIPv6(value) && !value.includes('%'))),
);
