import { readFileSync } from 'node:fs';
import { BlockList, isIP, isIPv6 } from 'node:net';
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

/** Where the kubelet puts a pod's credentials. */
const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The access of the pod that this process runs in.
 *
 * @throws Error outside of a pod.
 */
export function inClusterAccess({
  environment = process.env,
  directory = serviceAccountDirectory,
}: {
  environment?: Readonly<Record<string, string | undefined>>;
  directory?: string;
} = {}): ClusterAccess {
  const host = environment.KUBERNETES_SERVICE_HOST;
  const port = environment.KUBERNETES_SERVICE_PORT;
  if (!host || !port) {
    throw new Error(
      'Cannot use the access of a pod as KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be set: give a kubeconfig outside of a cluster',
    );
  }
  return tokenAccess({
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    caFile: `${directory}/ca.crt`,
    tokenFile: `${directory}/token`,
    namespace: readNamespace(`${directory}/namespace`),
  });
}

function readNamespace(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined; // A pod may be made without it; who needs a namespace says so.
  }
}

/** Exactly one of `token` and `tokenFile`; one of `ca` and `caFile`, or none for the roots of the system. */
export interface TokenAccessOptions {
  /** `https://host:port`, a path allowed; `http` to a loopback address only. */
  readonly server: string;
  /** PEM text. */
  readonly ca?: string | undefined;
  readonly caFile?: string | undefined;
  /** Asked for each request; must be cheap. */
  readonly token?: (() => string | Promise<string>) | undefined;
  /** Read again every 10 s, and after a 401. */
  readonly tokenFile?: string | undefined;
  readonly namespace?: string | undefined;
}

/**
 * Access by bearer token.
 *
 * @throws Error that names the field that is wrong.
 */
export function tokenAccess(options: TokenAccessOptions): ClusterAccess {
  if ((options.token === undefined) === (options.tokenFile === undefined)) {
    throw new Error('Cannot make an access by token as exactly one of token and tokenFile must be given');
  }
  if (options.ca !== undefined && options.caFile !== undefined) {
    throw new Error('Cannot make an access by token as only one of ca and caFile must be given');
  }
  const server = parseServer(options.server, 'server');
  const tokenFile = options.tokenFile && new RereadFile(options.tokenFile, 'the token');
  const tls = tlsFrom({ ca: options.ca, caFile: options.caFile });
  return {
    server,
    namespace: options.namespace,
    tls,
    async authorization(renew) {
      const token = tokenFile ? await tokenFile.text(renew) : await options.token?.();
      return `Bearer ${headerText(token ?? '')}`;
    },
  };
}

/**
 * The access of a kubeconfig: that of the context given, else its current one.
 * Files that name a credential plugin load @kubernetes/client-node for it, at a cost of 0.3 s and some 90 MB.
 *
 * @param path undefined means $KUBECONFIG (several files are merged), then ~/.kube/config.
 * @throws Error that names the file and the field that is wrong.
 */
export async function kubeconfigAccess(path?: string, context?: string): Promise<ClusterAccess> {
  const { readKubeconfig } = await import('./kubeconfig.ts');
  return readKubeconfig({ path, context });
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
