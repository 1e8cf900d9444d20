import { tokenAccess } from '../kube/access.ts';
import { Backoff } from '../kube/backoff.ts';
import { KubeClient, KubeError } from '../kube/client.ts';
import type { ClusterAccess } from '../kube/cluster-access.ts';
import type { Logger } from '../process/log.ts';
import { together } from '../process/together.ts';
import { type Identity, type IdentitySecret, leaseAnnotations } from './identity.ts';
import { howToJoin, MembershipError } from './membership-error.ts';
import { type IssuedToken, requestOwnToken } from './own-token.ts';
import { pause } from './pause.ts';
import { renewalDelay } from './renewal.ts';

/** The kept identity is looked at this often at most when the hub refuses the token, in milliseconds. */
const rereadIntervalMs = 5_000;
/** And so often whatever the hub says: one that is gone for good refuses nothing. Milliseconds. */
const lookIntervalMs = 15_000;

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
  /** Whether another identity is of another hub: other connections, other objects. */
  readonly #isElsewhere: (other: Identity) => boolean;
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
    this.#isElsewhere = other =>
      other.ca !== identity.ca ||
      other.namespace !== identity.namespace ||
      (hubUrl === undefined && other.url !== identity.url);
    const access = tokenAccess({
      server: hubUrl ?? identity.url,
      ca: identity.ca,
      token: () => this.#identity.token,
      namespace: identity.namespace,
    });
    this.access = {
      ...access,
      authorization: async renew => {
        if (renew) await this.#rereadAtMost();
        return await access.authorization(false);
      },
    };
  }

  /** What a person must know about the membership, for a readiness check or a condition; undefined: all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Renews the token until the signal is aborted. Resolves then; failures are logged and tried again.
   *
   * @throws MembershipError `moved` when the cluster has joined another hub: what is known of this one is of no use there,
   * and the process has to begin anew.
   */
  async run(signal: AbortSignal): Promise<void> {
    await together(signal, until => [this.#keepRenewing(until), this.#look(until)]);
  }

  async #look(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const kept = await this.#reread(AbortSignal.any([signal, AbortSignal.timeout(lookIntervalMs)]));
      if (kept !== undefined && this.#isElsewhere(kept)) {
        throw new MembershipError(
          'moved',
          `Cannot go on as a member of the hub at ${this.access.server} as the hub must be the one that ${this.clusterId} has joined last: it is at ${kept.url} now, and this process has to begin anew`,
        );
      }
      await pause(lookIntervalMs, signal).catch(() => undefined);
    }
  }

  async #keepRenewing(signal: AbortSignal): Promise<void> {
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
    await this.#rereadAtMost();
    if (this.#identity.token !== before) return; // Another component was first.
    const issued = await requestOwnToken(hub, this.shareNamespace, this.clusterId, signal);
    const renewed = renewedBy(this.#identity, issued);
    // Used at once: it is good even where it could not be kept.
    this.#identity = renewed;
    const kept = await this.#secret.change(stored => {
      if (stored?.clusterId !== renewed.clusterId) return renewed;
      const isNewer = stored.joinedWith !== renewed.joinedWith || stored.receivedAt > renewed.receivedAt;
      return isNewer ? stored : renewedBy(stored, issued);
    }, signal);
    this.#take(kept);
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
    if (kept !== undefined) this.#take(kept);
  }

  async #rereadAtMost(): Promise<void> {
    const now = performance.now();
    if (now - this.#rereadAt < rereadIntervalMs) return;
    this.#rereadAt = now;
    await this.#reread(AbortSignal.timeout(rereadIntervalMs));
  }

  /**
   * Takes what another component of the cluster, or a new join with the same hub, has kept.
   *
   * @returns what is kept, of whichever hub; undefined where it cannot be read.
   */
  async #reread(signal: AbortSignal): Promise<Identity | undefined> {
    try {
      const kept = await this.#secret.read(signal);
      if (kept?.clusterId !== this.clusterId) return undefined;
      this.#take(kept);
      return kept;
    } catch (error) {
      this.#log.debug({ err: error }, 'kept identity could not be read');
      return undefined;
    }
  }

  #take(kept: Identity): void {
    if (this.#isElsewhere(kept)) return;
    const isOfThisJoin = kept.joinedWith === this.#identity.joinedWith;
    // A token that could not be kept is better than the one that is.
    if (isOfThisJoin && kept.receivedAt < this.#identity.receivedAt) return;
    if (!isOfThisJoin) this.#problem = undefined;
    this.#identity = kept;
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
