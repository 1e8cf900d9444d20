import { isIP } from 'node:net';
import { isClusterId, isDnsLabel } from '../api/legal-names.ts';
import type { Parser } from './options.ts';

/** Any text that is not empty. */
export const text: Parser<string> = {
  expected: 'a text that is not empty',
  parse: value => (value === '' ? undefined : value),
};

/** A switch: given without a value it is on. */
export const flag: Parser<boolean> = {
  expected: '"true" or "false"',
  parse: value => (value === 'true' ? true : value === 'false' ? false : undefined),
};

export function oneOf<const T extends string>(...values: readonly T[]): Parser<T> {
  return {
    expected: `one of ${values.join(', ')}`,
    parse: value => values.find(candidate => candidate === value),
  };
}

export function integer(min: number, max: number): Parser<number> {
  return {
    expected: `an integer from ${min} to ${max}`,
    parse(value) {
      if (!/^-?\d{1,15}$/.test(value)) return undefined;
      const number = Number(value);
      return number >= min && number <= max ? number : undefined;
    },
  };
}

const unitsInMilliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A length of time such as `500ms`, `15s`, `10m`, `24h`; the value is in milliseconds. `0` is legal. */
export const duration: Parser<number> = {
  expected: 'a duration such as 500ms, 15s, 10m or 24h',
  parse(value) {
    if (value === '0') return 0;
    const match = /^(\d{1,9})(ms|s|m|h)$/.exec(value);
    const unit = unitsInMilliseconds[match?.[2] ?? ''];
    return unit === undefined ? undefined : Number(match?.[1]) * unit;
  },
};

export interface SocketAddress {
  /** A literal IPv4 or IPv6 address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:53`, `[::1]:53`, or `:53` for all addresses of both families. */
export const socketAddress: Parser<SocketAddress> = {
  expected: 'an address and port such as 127.0.0.1:5300, [::1]:5300 or :5300',
  parse(value) {
    const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(value);
    if (match === null) return undefined;
    const host = match[1] ?? (match[2] === '' ? '::' : (match[2] ?? ''));
    const port = Number(match[3]);
    if (isIP(host) === 0 || (match[1] !== undefined && isIP(host) !== 6) || port > 65_535) return undefined;
    return { host, port };
  },
};

/** An absolute http or https URL without user, query or fragment. */
export const httpsUrl: Parser<URL> = {
  expected: 'a URL such as https://198.51.100.10:6443',
  parse(value) {
    if (!URL.canParse(value)) return undefined;
    const url = new URL(value);
    const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
    return url.protocol === 'https:' && plain ? url : undefined;
  },
};

/** A cluster id: one DNS label, or two joined by a dot (KEP-1645). */
export const clusterId: Parser<string> = {
  expected: 'a cluster id: one DNS label of at most 63 characters of a-z, 0-9 and -, or two joined by a dot',
  parse: value => (isClusterId(value) ? value : undefined),
};

/** The name of a namespace (RFC 1123 label). */
export const namespaceName: Parser<string> = {
  expected: 'the name of a namespace: at most 63 characters of a-z, 0-9 and -',
  parse: value => (isDnsLabel(value) ? value : undefined),
};

/** The value of an option that is a comma-separated list in one piece is split before; this keeps one file path. */
export const path: Parser<string> = {
  expected: 'a path',
  parse: value => (value === '' || value.includes('\0') ? undefined : value),
};
