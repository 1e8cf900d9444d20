import type { Counter } from 'prom-client';
import { certificateSigningRequests } from '../api/resource.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Requeue } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';
import type { AuthorityStore } from './authority-store.ts';
import { authorityOf, type CertificateKind } from './certificate-kind.ts';
import { objection, type Policy } from './request-policy.ts';
import {
  readSigningRequest,
  type SigningRequest,
  withCertificate,
  withCondition,
} from './signing-request.ts';
import { issue, readRequest } from './x509.ts';

/** Who asks looks at least every half minute, however long it took. */
const defaultKeptMs = 90_000;

export interface SignerOptions {
  readonly client: KubeClient;
  readonly store: AuthorityStore;
  readonly policy: Policy;
  /** DNS names of the databases. */
  readonly serverNames: readonly string[];
  /** Milliseconds. */
  readonly lifetime: number;
  /** How long an answer is kept, in milliseconds. */
  readonly keptMs?: number;
  readonly log: Logger;
  readonly requests?: Counter<'kind' | 'outcome'>;
}

/** Grants or denies one request after the other, by their names. */
export class Signer {
  readonly #options: SignerOptions;

  constructor(options: SignerOptions) {
    this.#options = options;
  }

  /**
   * Brings a request to its end, and takes it away when who asked must have read the answer. One that is gone, or somebody
   * else's, is left alone.
   */
  async settle(name: string, signal: AbortSignal): Promise<Requeue | undefined> {
    const { client, log, requests } = this.#options;
    const object = await client.get(certificateSigningRequests, { name }, { signal });
    const asked = object && readSigningRequest(object);
    if (object === undefined || asked === undefined) return undefined;
    const left = asked.touchedAt + this.#keptMs - Date.now();
    if (asked.isSettled && left <= 0) {
      await client.delete(certificateSigningRequests, { name }, { signal });
      return undefined;
    }
    if (asked.isSettled) return { requeueAfter: left };
    const decision = await this.#decide(asked);
    requests?.inc({ kind: asked.kind, outcome: typeof decision === 'string' ? 'denied' : 'issued' });
    const fields = { request: name, kind: asked.kind, by: asked.requester.username };
    if (typeof decision === 'string') {
      log.warn({ ...fields, why: decision }, 'certificate denied');
      // What a person has approved cannot be denied any more; it is not signed either.
      const [type, subresource] = asked.isApproved
        ? (['Failed', 'status'] as const)
        : (['Denied', 'approval'] as const);
      const refused = withCondition(object, type, 'NotAllowed', decision.slice(0, 1_000));
      await client.update(certificateSigningRequests, refused, { subresource, signal });
      return undefined;
    }
    // Before it is approved: an approved request waits for nothing but the write of its certificate.
    const certificate = await decision.issue(signal);
    const approved = asked.isApproved
      ? object
      : await client.update(
          certificateSigningRequests,
          withCondition(object, 'Approved', 'Allowed', 'asked for by its own ServiceAccount'),
          { subresource: 'approval', signal },
        );
    await client.update(certificateSigningRequests, withCertificate(approved, certificate), {
      subresource: 'status',
      signal,
    });
    log.info({ ...fields, commonName: decision.commonName }, 'certificate issued');
    return undefined;
  }

  get #keptMs(): number {
    return this.#options.keptMs ?? defaultKeptMs;
  }

  async #decide({
    kind,
    requester,
    request: pem,
  }: SigningRequest): Promise<
    string | { readonly commonName: string; issue(signal: AbortSignal): Promise<string> }
  > {
    const { policy, store, lifetime } = this.#options;
    const read = await readRequest(pem).catch(() => undefined);
    if (read === undefined) return 'it must be a PKCS #10 request in PEM';
    const why = objection(kind, requester, read.wish, policy);
    if (why !== undefined) return why;
    const commonName = read.wish.commonNames[0] ?? '';
    return {
      commonName,
      issue: async signal => {
        const { authorities } = await store.refresh(signal);
        const authority = authorities[authorityOf(kind)].current;
        const names = this.#namesOf(kind);
        return issue(read.request, { authority, commonName, serverNames: names, now: Date.now(), lifetime });
      },
    };
  }

  #namesOf(kind: CertificateKind): readonly string[] {
    return kind === 'database' ? this.#options.serverNames : [];
  }
}
