import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../api/meta.ts';
import { joinAccountName, memberAccountName, peerName, shortHash } from '../api/object-names.ts';
import { parsePeer } from '../api/peer.ts';
import { peers, roleBindings, roles, secrets, serviceAccounts } from '../api/resource.ts';
import { parseCidr } from '../ipam/cidr.ts';
import { type KubeClient, KubeError } from '../kube/client.ts';
import { encodeBootstrapToken, fingerprintOf } from '../membership/bootstrap-token.ts';
import { type Allocations, whyNot } from './cidr-choice.ts';
import { CidrTable } from './cidr-table.ts';
import {
  type ClusterPlace,
  joinAccount,
  joinBinding,
  joinRole,
  joinSecret,
  memberAccount,
  memberBindings,
  memberRole,
  renewalRole,
  tokenAnnotations,
} from './join-objects.ts';
import { findJoinAccount } from './outstanding-tokens.ts';
import { endJoinToken } from './removal.ts';

export interface JoinTokenRequest {
  /** Acts as an administrator of the hub. */
  readonly client: KubeClient;
  readonly place: ClusterPlace;
  /** How long it may be used, in milliseconds. */
  readonly ttlMs: number;
  readonly requestedCidr?: string | undefined;
  /** Of the hub's API server, as the joining cluster reaches it. */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly signal: AbortSignal;
}

export interface JoinToken {
  /** What the joining cluster is given. */
  readonly text: string;
  readonly expiresAt: Date;
}

/** A person asked for what cannot be; the message says why. */
export class JoinRefused extends Error {
  override readonly name = 'JoinRefused';
}

/** The API server makes no token of a shorter life; a shorter one of ours ends with its Secret. */
const shortestTokenSeconds = 600;
const fieldManager = 'nauti-cli';
const accessReviewPath = '/apis/authorization.k8s.io/v1/subjectaccessreviews';

/**
 * Makes a join token for one cluster id. One that was made for it before ends.
 *
 * @throws JoinRefused where the hub is not installed, the id is the hub's, or the CIDR cannot be given.
 */
export async function createJoinToken(request: JoinTokenRequest): Promise<JoinToken> {
  const { client, place, ttlMs, url, ca, signal } = request;
  await ensureInstalled(request);
  await ensurePossible(request);
  const expiresAt = new Date(Date.now() + ttlMs);
  const token = { name: `join-${place.id}-${shortHash(randomBytes(16).toString('hex'))}`, expiresAt };
  await makeMember(request);
  const account = await replaceJoinAccount(request, joinAccount(place, token));
  const owned = (object: KubeObject) => withOwner(object, account);
  await client.create(roles, owned(joinRole(place, token)), { signal });
  await client.create(roleBindings, owned(joinBinding(place, token)), { signal });
  const secret = await client.create(secrets, owned(joinSecret(place, token)), { signal });
  const bootstrap = {
    ...({ version: 1, url, ca, namespace: place.namespace, id: place.id, secret: token.name } as const),
    expiresAt: expiresAt.toISOString(),
    token: await boundToken(request, secret),
  };
  await client.patch(
    serviceAccounts,
    { namespace: place.namespace, name: joinAccountName(place.id) },
    {
      contentType: 'application/merge-patch+json',
      body: { metadata: { annotations: { [tokenAnnotations.fingerprint]: fingerprintOf(bootstrap) } } },
      signal,
    },
  );
  await untilAllowed(request);
  return { text: encodeBootstrapToken(bootstrap), expiresAt };
}

async function ensureInstalled({ client, place, signal }: JoinTokenRequest): Promise<void> {
  const { namespace } = place;
  if ((await client.get(roles, { namespace, name: memberRole }, { signal })) !== undefined) return;
  throw new JoinRefused(
    `Cannot make a join token as the hub must be installed in this cluster: there is no Role ${memberRole} in the namespace ${namespace}; run "helm install nauti", or give the share namespace by --namespace`,
  );
}

async function ensurePossible({ client, place, requestedCidr, signal }: JoinTokenRequest): Promise<void> {
  const { globals, announced, hubId } = await readPeers(client, place.namespace, signal);
  if (place.id === hubId) {
    throw new JoinRefused(`Cannot make a join token for ${place.id} as it must not be the hub's own id`);
  }
  if (requestedCidr === undefined) return;
  const table = new CidrTable(client, place.namespace);
  const allocations = await table.allocations(announced, signal);
  const own = allocations.get(place.id);
  if (own !== undefined && own.join() !== requestedCidr) {
    throw new JoinRefused(
      `Cannot give ${requestedCidr} to ${place.id} as a cluster must keep what it has: that is ${own.join(', ')}; "kubectl nauti remove ${place.id}" gives it back`,
    );
  }
  // Where the hub's component has not run yet nobody can tell what the CIDR of all is.
  const settings = { globals, prefixOf: () => 0 };
  const refused = globals.length === 0 ? undefined : whyNot(place.id, requestedCidr, allocations, settings);
  if (refused !== undefined)
    throw new JoinRefused(`Cannot give ${requestedCidr} to ${place.id} as ${refused}`);
}

async function readPeers(client: KubeClient, namespace: string, signal: AbortSignal) {
  const announced = new Map<string, readonly string[]>();
  let hub: { readonly id: string; readonly cidrs: readonly string[] } | undefined;
  for await (const page of client.listPages(peers, { namespace, signal })) {
    for (const { spec } of page.items.map(parsePeer)) {
      if (spec.ishub) hub = { id: spec.cluster_id, cidrs: spec.cluster_cidr };
      else if (spec.cluster_cidr.length > 0) announced.set(spec.cluster_id, spec.cluster_cidr);
    }
  }
  const globals = (hub?.cidrs ?? []).map(parseCidr).filter(cidr => cidr !== undefined);
  return { globals, announced: announced as Allocations, hubId: hub?.id };
}

async function makeMember({ client, place, requestedCidr, signal }: JoinTokenRequest): Promise<void> {
  const options = { fieldManager, force: true, signal };
  await client.apply(serviceAccounts, memberAccount(place, requestedCidr), options);
  await client.apply(roles, renewalRole(place), options);
  for (const binding of memberBindings(place)) await client.apply(roleBindings, binding, options);
}

/** A new ServiceAccount, so that all tokens of the one before have ended. */
async function replaceJoinAccount(
  { client, place, signal }: JoinTokenRequest,
  account: KubeObject,
): Promise<KubeObject> {
  for (;;) {
    const before = await findJoinAccount(client, place, signal);
    if (before !== undefined) await endJoinToken(client, place, before, signal);
    try {
      return await client.create(serviceAccounts, account, { signal });
    } catch (error) {
      // Somebody else makes a token for the same cluster: the later one counts.
      if (!(error instanceof KubeError && error.reason === 'AlreadyExists')) throw error;
    }
  }
}

/** The garbage collector removes what is left where nobody else does. */
function withOwner(object: KubeObject, account: KubeObject): KubeObject {
  const { name = '', uid = '' } = account.metadata;
  const owner = { apiVersion: 'v1', kind: 'ServiceAccount', name, uid };
  return { ...object, metadata: { ...object.metadata, ownerReferences: [owner] } };
}

async function boundToken(
  { client, place, ttlMs, signal }: JoinTokenRequest,
  secret: KubeObject,
): Promise<string> {
  const { name = '', uid = '' } = secret.metadata;
  const answer = await client.request({
    method: 'POST',
    path: `/api/v1/namespaces/${encodeURIComponent(place.namespace)}/serviceaccounts/${encodeURIComponent(joinAccountName(place.id))}/token`,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        expirationSeconds: Math.max(shortestTokenSeconds, Math.ceil(ttlMs / 1000)),
        boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name, uid },
      },
    },
    signal,
  });
  const token = (answer as { status?: { token?: unknown } } | undefined)?.status?.token;
  if (typeof token === 'string' && token !== '') return token;
  throw new TypeError('Cannot read the answer to a TokenRequest as status.token must be a text');
}

/** How long permissions may take to reach the API server's authorizer, in milliseconds. */
const permissionLimitMs = 10_000;

/** Resolves when the token may do what it is for, so that it can be used as soon as it is printed. */
async function untilAllowed({ client, place, signal }: JoinTokenRequest): Promise<void> {
  const { namespace, id } = place;
  const deadline = performance.now() + permissionLimitMs;
  for (;;) {
    const review = await client.request({
      method: 'POST',
      path: accessReviewPath,
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: `system:serviceaccount:${namespace}:${joinAccountName(id)}`,
          resourceAttributes: {
            ...{ namespace, verb: 'create', resource: 'serviceaccounts', subresource: 'token' },
            name: memberAccountName(id),
          },
        },
      },
      signal,
    });
    if ((review as { status?: { allowed?: boolean } }).status?.allowed) return;
    if (performance.now() > deadline) {
      throw new Error(
        `Cannot make a join token for ${peerName(id)} as the hub must let it join: it still does not`,
      );
    }
    await sleep(50, undefined, { signal });
  }
}
