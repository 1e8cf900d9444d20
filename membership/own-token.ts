import { memberAccountName } from '../api/object-names.ts';
import type { KubeClient } from '../kube/client.ts';
import { lifetimeOf } from './bootstrap-token.ts';

/** How long a cluster's token is to live, in milliseconds; the hub's API server may give less. */
export const tokenLifetimeMs = 7 * 24 * 3_600_000;

/** A token as the hub made it. */
export interface IssuedToken {
  readonly token: string;
  /** Epoch milliseconds of our clock. */
  readonly receivedAt: number;
  readonly lifetimeMs?: number;
}

/**
 * Asks the hub for a token of the cluster's own ServiceAccount (TokenRequest, authentication.k8s.io/v1).
 *
 * @throws KubeError 401 where the hub does not know who asks, 403 where that one may not.
 */
export async function requestOwnToken(
  hub: KubeClient,
  shareNamespace: string,
  clusterId: string,
  signal: AbortSignal,
): Promise<IssuedToken> {
  const account = encodeURIComponent(memberAccountName(clusterId));
  const receivedAt = Date.now();
  const answer = await hub.request({
    method: 'POST',
    path: `/api/v1/namespaces/${encodeURIComponent(shareNamespace)}/serviceaccounts/${account}/token`,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: tokenLifetimeMs / 1000 },
    },
    signal,
  });
  const token = (answer as { status?: { token?: unknown } } | undefined)?.status?.token;
  if (typeof token !== 'string' || token === '') {
    throw new TypeError('Cannot read the answer to a TokenRequest as status.token must be a text');
  }
  const lifetimeMs = lifetimeOf(token);
  return { token, receivedAt, ...(lifetimeMs !== undefined && lifetimeMs > 0 && { lifetimeMs }) };
}
