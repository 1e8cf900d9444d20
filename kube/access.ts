import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { path } from '../process/parsers.ts';
import { type ClusterAccess, headerText, parseServer, tlsFrom } from './cluster-access.ts';
import { RereadFile } from './reread-file.ts';

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

/** The access of a kubeconfig where one is named, else that of the pod that this process runs in. */
export async function accessOf(kubeconfig: string | undefined): Promise<ClusterAccess> {
  return kubeconfig === undefined ? inClusterAccess() : await kubeconfigAccess(kubeconfig);
}

/** The option of a component that speaks to the cluster it runs in, for {@link accessOf}. */
export const kubeconfigOption = {
  flag: 'kubeconfig',
  placeholder: 'FILE',
  description: 'kubeconfig of this cluster; without it the service account of the pod',
  parser: path,
} as const;
