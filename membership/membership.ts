import { tokenAccess } from '../kube/access.ts';
import { Backoff } from '../kube/backoff.ts';
import { KubeClient, KubeError } from '../kube/client.ts';
import type { ClusterAccess } from '../kube/cluster-access.ts';
import type { Logger } from '../process/log.ts';
import type { Identity, IdentitySecret } from './identity.ts';
import { howToJoin } from './membership-error.ts';
import { requestOwnToken } from './own-token.ts';
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
    const { lifetimeMs: _, ...rest } = this.#identity;
    const renewed: Identity = { ...rest, ...issued };
    // Used at once: it is good even where it could not be kept.
    this.#identity = renewed;
    const isNewer = (other: Identity) =>
      other.clusterId === renewed.clusterId &&
      (other.joinedWith !== renewed.joinedWith || other.receivedAt > renewed.receivedAt);
    this.#identity = await this.#secret.write(renewed, isNewer, signal);
    this.#log.info('token of the hub renewed');
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
