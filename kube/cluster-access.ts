/** Where an API server is and as whom we speak to it, and the parts that every way to know it is made from. */
import { BlockList, isIP } from 'node:net';
import { RereadFile } from './reread-file.ts';

/** What a TLS connection to the API server is made from, as PEM texts. */
export interface TlsMaterial {
  /** Undefined means the roots of the system. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name that the server's certificate must carry, where it is not the host of the URL. */
  readonly serverName?: string;
}

/** Where a cluster's API server is, and as whom we speak to it. Verification of its certificate is always on. */
export interface ClusterAccess {
  readonly server: URL;
  /** The namespace of the context or of the pod. */
  readonly namespace: string | undefined;
  /** Asked before every connection; the same object as long as nothing changed. */
  tls(): Promise<TlsMaterial>;
  /**
   * The value of the Authorization header, undefined where the certificate is who we are.
   *
   * @param renew the server refused the last value: do not answer from memory.
   */
  authorization(renew: boolean): Promise<string | undefined>;
}

/** Texts given as they are, or files that are read again when they change. */
export interface TlsSources {
  readonly ca?: string | undefined;
  readonly caFile?: string | undefined;
  readonly cert?: string | undefined;
  readonly certFile?: string | undefined;
  readonly key?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly serverName?: string | undefined;
}

/** Makes {@link ClusterAccess.tls}: the object it gives changes when, and only when, a file's content did. */
export function tlsFrom(sources: TlsSources): () => Promise<TlsMaterial> {
  const part = (text: string | undefined, file: string | undefined, what: string) => {
    if (file === undefined) return async () => text;
    const reread = new RereadFile(file, what);
    return () => reread.text();
  };
  const ca = part(sources.ca, sources.caFile, 'the CA');
  const cert = part(sources.cert, sources.certFile, 'the client certificate');
  const key = part(sources.key, sources.keyFile, 'the client key');
  let current: TlsMaterial | undefined;
  return async () => {
    const [newCa, newCert, newKey] = await Promise.all([ca(), cert(), key()]);
    if (current && current.ca === newCa && current.cert === newCert && current.key === newKey) return current;
    current = {
      ...(newCa !== undefined && { ca: newCa }),
      ...(newCert !== undefined && { cert: newCert }),
      ...(newKey !== undefined && { key: newKey }),
      ...(sources.serverName !== undefined && { serverName: sources.serverName }),
    };
    return current;
  };
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Reads a server's URL. Legal: https with host, optional port and path; http to a literal loopback address,
 * where no one can listen in.
 *
 * @param field names the value in the error.
 */
export function parseServer(value: string, field: string): URL {
  const refuse = (must: string) =>
    new Error(`Cannot use ${field} as it must be ${must}: current value is ${JSON.stringify(value)}`);
  if (!URL.canParse(value)) throw refuse('a URL such as https://198.51.100.10:6443');
  const url = new URL(value);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new Error(`Cannot use ${field} as it must be a URL without user, query and fragment`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  const isLoopback = family !== 0 && loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback)) {
    throw refuse('an https URL (http only to a loopback address)');
  }
  return url;
}

/** @throws Error for a token that would end the header line; the token itself is not repeated. */
export function headerText(token: string): string {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new Error('Cannot use the token as it must be printable ASCII without spaces, and not empty');
  }
  return token;
}
