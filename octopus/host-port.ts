import { isIP } from 'node:net';
import { parseAddress } from '../ipam/address.ts';

/** Somewhere to dial: an address or a DNS name, and a UDP port. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

const name =
  /^(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$/;

/**
 * Reads `host`, `host:port`, `2001:db8::1` or `[2001:db8::1]:port`. The host is an address or a DNS name.
 *
 * @returns undefined for other text.
 */
export function parseTarget(text: string, defaultPort: number): Target | undefined {
  if (isIP(text) === 6) return text.includes('%') ? undefined : { host: text, port: defaultPort };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([1-9]\d{0,4}))?$/.exec(text);
  if (match === null) return undefined;
  const [, bracketed, plain = '', portText] = match;
  const port = portText === undefined ? defaultPort : Number(portText);
  const host = bracketed ?? plain;
  if (port > 65_535) return undefined;
  if (bracketed !== undefined) return isIP(host) === 6 && !host.includes('%') ? { host, port } : undefined;
  // Digits and dots only would be an address that is not one.
  return isIP(host) === 4 || (name.test(host) && /[A-Za-z]/.test(host)) ? { host, port } : undefined;
}

/** As `wg` writes an endpoint. */
export function formatTarget({ host, port }: Target): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The address of `10.0.0.7` or `10.0.0.7/24`; undefined for other text. */
export function parseInternalAddress(text: string): string | undefined {
  const [address = '', prefix, more] = text.split('/');
  if (more !== undefined || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) return undefined;
  return parseAddress(address) === undefined ? undefined : address;
}
