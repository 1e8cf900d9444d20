import { leases, roleBindings, secrets } from '../api/resource.ts';
import { tokenAccess } from '../kube/access.ts';
import { Backoff } from '../kube/backoff.ts';
import { KubeClient, KubeError } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import { type BootstrapToken, decodeBootstrapToken, fingerprintOf } from './bootstrap-token.ts';
import { clusterLease } from './cluster-lease.ts';
import { type Identity, IdentitySecret, leaseAnnotations } from './identity.ts';
import { Membership } from './membership.ts';
import { howToJoin, MembershipError } from './membership-error.ts';
import { requestOwnToken } from './own-token.ts';
import { pause } from './pause.ts';

export interface JoinOptions {
  /** The member cluster's own API. */
  readonly local: KubeClient;
  /** Namespace of the member cluster that keeps the identity. */
  readonly namespace: string;
  readonly clusterId: string;
  /** What `kubectl nauti token create` printed; may stay given after the join. */
  readonly bootstrapToken?: string | undefined;
  /** Where this cluster reaches the hub's API server, if not at the URL that the token has. */
  readonly hubUrl?: string | undefined;
  /** The CIDR that the cluster would like to have; the hub decides. */
  readonly requestedCidr?: string | undefined;
  /** Name of the Secret that keeps the identity. */
  readonly secretName?: string | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export const identitySecretName = 'nauti-hub-identity';

/**
 * Makes this cluster a member of the hub, or finds that it is one.
 *
 * An identity that was kept serves, and nothing is asked of the hub. A join token that was not used yet is exchanged
 * for one first: a new token means a new beginning. While the hub cannot be reached it tries again, for as long as
 * the signal lets it.
 *
 * @throws MembershipError where only a person can help, and its message says how.
 */
export async function joinHub(options: JoinOptions): Promise<Membership> {
  const { local, namespace, clusterId, log } = options;
  const secret = new IdentitySecret(local, namespace, options.secretName ?? identitySecretName);
  const token = options.bootstrapToken ? decodeBootstrapToken(options.bootstrapToken) : undefined;
  if (token !== undefined && token.id !== clusterId) throw foreign(clusterId, token.id);
  const stored = await readStored(secret, clusterId, options);
  const identity = await chooseIdentity({ stored, token, secret, options });
  log.info({ clusterId, hub: options.hubUrl ?? identity.url }, 'member of the hub');
  return new Membership({ identity, secret, hubUrl: options.hubUrl, log });
}

async function readStored(
  secret: IdentitySecret,
  clusterId: string,
  { log, signal }: JoinOptions,
): Promise<Identity | undefined> {
  try {
    const stored = await secret.read(signal);
    if (stored === undefined || stored.clusterId === clusterId) return stored;
    log.warn(
      { clusterId, before: stored.clusterId },
      'identity kept is of another cluster id, it is not used',
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && error.name === 'UnreadableError')) throw error;
    log.warn({ err: error }, 'identity kept cannot be read, it is not used');
    return undefined;
  }
}

interface Choice {
  readonly stored: Identity | undefined;
  readonly token: BootstrapToken | undefined;
  readonly secret: IdentitySecret;
  readonly options: JoinOptions;
}

async function chooseIdentity({ stored, token, secret, options }: Choice): Promise<Identity> {
  const { clusterId, log, signal } = options;
  if (token === undefined) {
    if (stored !== undefined) return stored;
    throw new MembershipError(
      'missing',
      `Cannot join the hub as ${clusterId} as a join token must be given: ${howToJoin(clusterId)}`,
    );
  }
  if (stored?.joinedWith === fingerprintOf(token)) return stored;
  try {
    return await exchange(token, secret, options);
  } catch (error) {
    if (!(error instanceof MembershipError)) throw error;
    // Another component of this cluster may have used the same token a moment ago, and kept what it got before.
    const kept = await secret.read(signal).catch(() => undefined);
    if (kept?.clusterId !== clusterId) throw error;
    if (kept.joinedWith !== fingerprintOf(token)) {
      log.warn({ err: error }, 'join token cannot be used, the identity of an earlier join is');
    }
    return kept;
  }
}

/** The join: what it does in which order makes a crash at any point harmless. */
async function exchange(
  token: BootstrapToken,
  secret: IdentitySecret,
  options: JoinOptions,
): Promise<Identity> {
  const { clusterId, log, signal } = options;
  const server = options.hubUrl ?? token.url;
  const joiner = new KubeClient(tokenAccess({ server, ca: token.ca, token: () => token.token }), { log });
  try {
    const issued = await retryUnreachable(
      () => requestOwnToken(joiner, token.namespace, clusterId, signal),
      error => explain(error, token),
      options,
    );
    const { requestedCidr } = options;
    const identity: Identity = {
      version: 1,
      clusterId,
      url: token.url,
      ca: token.ca,
      namespace: token.namespace,
      joinedWith: fingerprintOf(token),
      ...issued,
      ...(requestedCidr !== undefined && { requestedCidr }),
    };
    // Kept before the token is spent: who finds the token spent finds the identity.
    const kept = await secret.change(stored => {
      if (stored?.clusterId !== clusterId) return identity;
      if (stored.joinedWith === identity.joinedWith) return stored;
      return { ...identity, ...(stored.givenCidr && { givenCidr: stored.givenCidr }) };
    }, signal);
    await announce(kept, server, options);
    await spend(joiner, token, options);
    return kept;
  } finally {
    joiner.close();
  }
}

/** The first sign of life: by it the hub knows that the token has served, and which CIDR is asked for. */
async function announce(identity: Identity, server: string, options: JoinOptions): Promise<void> {
  const access = tokenAccess({ server, ca: identity.ca, token: () => identity.token });
  const hub = new KubeClient(access, { log: options.log });
  const lease = clusterLease(identity.namespace, identity.clusterId, leaseAnnotations(identity));
  const announced = { ...lease, spec: { ...lease.spec, acquireTime: lease.spec.renewTime } };
  try {
    await hub.apply(leases, announced, { fieldManager: 'nauti-join', force: true, signal: options.signal });
  } catch (error) {
    options.signal.throwIfAborted();
    // The syncer renews the lease, and tells the same.
    options.log.warn({ err: error }, 'join could not be announced');
  } finally {
    hub.close();
  }
}

/** Ends the token at once: by deleting the Secret that it is bound to, and its only permission. */
async function spend(joiner: KubeClient, token: BootstrapToken, { log, signal }: JoinOptions): Promise<void> {
  try {
    const reference = { namespace: token.namespace, name: token.secret };
    await joiner.delete(secrets, reference, { signal });
    await joiner.delete(roleBindings, reference, { signal });
  } catch (error) {
    signal.throwIfAborted();
    // The hub may have been first; and if it was not, it will.
    log.debug({ err: error }, 'join token could not be ended by its user');
  }
}

/** Permissions given a moment ago reach every API server of the hub within this time, in milliseconds. */
const permissionGraceMs = 1_000;

async function retryUnreachable<T>(
  attempt: () => Promise<T>,
  explained: (error: KubeError) => Error | undefined,
  { log, signal }: JoinOptions,
): Promise<T> {
  const backoff = new Backoff({ minMs: 500, maxMs: 15_000 });
  const begun = performance.now();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof KubeError)) throw error;
      const final = explained(error);
      const mayBeTooEarly = error.status === 403 && performance.now() - begun < permissionGraceMs;
      if (final !== undefined && !mayBeTooEarly) throw final;
      const delayMs = Math.round(Math.max(error.retryAfterMs ?? 0, backoff.next()));
      log.warn({ err: error, delayMs }, 'hub does not let this cluster join yet, trying again');
      await pause(delayMs, signal);
    }
  }
}

/** What the hub's refusal of a join means; undefined where trying again may help. */
function explain(error: KubeError, token: BootstrapToken): Error | undefined {
  const again = howToJoin(token.id);
  if (isUnverified(error)) {
    return new MembershipError(
      'unverified',
      `Cannot join the hub as its API server must show a certificate of the CA in the join token, for the address at which it is reached: ${error.message}`,
      { cause: error },
    );
  }
  if (error.status === 404) {
    return new MembershipError(
      'refused',
      `Cannot join the hub as ${token.id} must be known to it, and was removed: ${again}`,
      { cause: error },
    );
  }
  if (error.status !== 401 && error.status !== 403) return undefined;
  if (Date.parse(token.expiresAt) < Date.now()) {
    return new MembershipError(
      'expired',
      `Cannot join the hub as the join token must be used before ${token.expiresAt}: ${again}`,
      { cause: error },
    );
  }
  return new MembershipError(
    'spent',
    `Cannot join the hub as the join token must be unused and this hub's, and it was used, revoked, or is another's: ${again}`,
    { cause: error },
  );
}

/** Whether the server's certificate was refused; codes of OpenSSL and of Node's own check of the name. */
function isUnverified(error: KubeError): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== undefined && /CERT|ERR_TLS|UNABLE_TO_VERIFY/.test(code)) return true;
  }
  return false;
}

function foreign(clusterId: string, tokenId: string): MembershipError {
  return new MembershipError(
    'foreign',
    `Cannot join the hub as ${clusterId} as the join token must be made for it: the token is for ${tokenId}; ${howToJoin(clusterId)}`,
  );
}
