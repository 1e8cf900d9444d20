import { tokenAccess } from '../kube/access.ts';
import { Backoff } from '../kube/backoff.ts';
import { KubeClient, KubeError } from '../kube/client.ts';
import type { ClusterAccess } from '../kube/cluster-access.ts';
import type { Logger } from '../process/log.ts';
import { type Identity, type IdentitySecret, leaseAnnotations } from './identity.ts';
import { howToJoin } from './membership-error.ts';
import { type IssuedToken, requestOwnToken } from './own-token.ts';
import { pause } from './pause.ts';
import { renewalDelay } from './renewal.ts';

/** The kept identity is looked at this often at most when the hub refuses the token, in milliseconds. */
const rereadIntervalMs = 5_000;

/**
 * A cluster's place on the hub: the access by which it acts there, kept alive.
 *
 * Several components of a cluster share one identity: each looks for a newer token in the Secret before it asks the
 * hub for one.
 */
export class Membership {
  readonly clusterId: string;
  /** Namespace on the hub that members share. */
  readonly shareNamespace: string;
  /** For a KubeClient to the hub; its token is the newest that is known. */
  readonly access: ClusterAccess;
  readonly #secret: IdentitySecret;
  readonly #log: Logger;
  #identity: Identity;
  #problem: string | undefined;
  #rereadAt = Number.NEGATIVE_INFINITY;

  constructor({
    identity,
    secret,
    hubUrl,
    log,
  }: {
    identity: Identity;
    secret: IdentitySecret;
    hubUrl: string | undefined;
    log: Logger;
  }) {
    this.clusterId = identity.clusterId;
    this.shareNamespace = identity.namespace;
    this.#identity = identity;
    this.#secret = secret;
    this.#log = log;
    const access = tokenAccess({
      server: hubUrl ?? identity.url,
      ca: identity.ca,
      token: () => this.#identity.token,
      namespace: identity.namespace,
    });
    this.access = {
      ...access,
      authorization: async renew => {
        if (renew) await this.#reread(AbortSignal.timeout(5_000));
        return await access.authorization(false);
      },
    };
  }

  /** What a person must know about the membership, for a readiness check or a condition; undefined: all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Renews the token until the signal is aborted. Resolves then; failures are logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const hub = new KubeClient(this.access, { log: this.#log });
    const backoff = new Backoff({ minMs: 5_000, maxMs: 300_000 });
    try {
      for (;;) {
        await pause(renewalDelay(this.#identity, Date.now(), Math.random()), signal);
        try {
          await this.#renew(hub, signal);
          this.#problem = undefined;
          backoff.reset();
        } catch (error) {
          signal.throwIfAborted();
          this.#explain(error);
          await pause(backoff.next(), signal);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      hub.close();
    }
  }

  async #renew(hub: KubeClient, signal: AbortSignal): Promise<void> {
    const before = this.#identity.token;
    await this.#reread(signal);
    if (this.#identity.token !== before) return; // Another component was first.
    const issued = await requestOwnToken(hub, this.shareNamespace, this.clusterId, signal);
    const renewed = renewedBy(this.#identity, issued);
    // Used at once: it is good even where it could not be kept.
    this.#identity = renewed;
    this.#identity = await this.#secret.change(stored => {
      if (stored?.clusterId !== renewed.clusterId) return renewed;
      const isNewer = stored.joinedWith !== renewed.joinedWith || stored.receivedAt > renewed.receivedAt;
      return isNewer ? stored : renewedBy(stored, issued);
    }, signal);
    this.#log.info('token of the hub renewed');
  }

  /** What the cluster's Lease tells of its joining. */
  get leaseAnnotations(): Readonly<Record<string, string>> {
    return leaseAnnotations(this.#identity);
  }

  /**
   * Keeps what the hub gave, for the day on which a hub does not know it.
   *
   * @param cidr separated by commas.
   */
  async rememberCidr(cidr: string, signal: AbortSignal): Promise<void> {
    if (this.#identity.givenCidr === cidr) return;
    const { joinedWith } = this.#identity;
    const kept = await this.#secret.change(stored => {
      // Of another join this one knows nothing, and what somebody took away is not made again.
      if (stored?.clusterId !== this.clusterId || stored.joinedWith !== joinedWith) return undefined;
      return stored.givenCidr === cidr ? stored : { ...stored, givenCidr: cidr };
    }, signal);
    if (kept !== undefined) this.#identity = kept;
  }

  /** Takes what another component of the cluster, or a new join, has kept. */
  async #reread(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    if (now - this.#rereadAt < rereadIntervalMs) return;
    this.#rereadAt = now;
    try {
      const kept = await this.#secret.read(signal);
      // The same hub only: another one's needs other connections, and a restart.
      if (kept?.clusterId === this.clusterId && kept.ca === this.#identity.ca) this.#identity = kept;
    } catch (error) {
      this.#log.debug({ err: error }, 'kept identity could not be read');
    }
  }

  #explain(error: unknown): void {
    // 404: the ServiceAccount is gone, and the API server has not forgotten its tokens yet.
    const isRefused = error instanceof KubeError && [401, 403, 404].includes(error.status);
    if (!isRefused) {
      this.#log.warn({ err: error }, 'token of the hub could not be renewed');
      return;
    }
    this.#problem = `the hub no longer knows this cluster: ${howToJoin(this.clusterId)}`;
    this.#log.error({ err: error, problem: this.#problem }, 'membership ended');
  }
}

function renewedBy({ lifetimeMs: _, ...identity }: Identity, issued: IssuedToken): Identity {
  return { ...identity, ...issued };
}
