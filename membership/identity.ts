import { clusterId, dnsLabel } from '../api/legal-names.ts';
import type { KubeObject } from '../api/meta.ts';
import { joinAnnotations } from '../api/names.ts';
import {
  anyText,
  checked,
  integer,
  objectOf,
  optional,
  textThat,
  UnreadableError,
  type ValueOf,
} from '../api/parse.ts';
import { secrets } from '../api/resource.ts';
import { type KubeClient, KubeError } from '../kube/client.ts';

const shape = objectOf({
  version: checked('1', (value): value is 1 => value === 1),
  clusterId,
  /** Of the hub's API server. */
  url: textThat('an https URL', text => URL.canParse(text)),
  ca: anyText,
  /** The share namespace on the hub. */
  namespace: dnsLabel,
  /** Fingerprint of the join token that it came from. */
  joinedWith: anyText,
  /** The cluster's ServiceAccount token on the hub. */
  token: textThat('a token', text => text !== '', 16 * 1024),
  /** When the token was received, epoch milliseconds of our clock. */
  receivedAt: integer(0, Number.MAX_SAFE_INTEGER),
  /** How long it lives, in milliseconds; absent where the hub did not say. */
  lifetimeMs: optional(integer(1, Number.MAX_SAFE_INTEGER)),
  /** The CIDRs that were asked for in the join, as a person wrote them; the hub judges them. */
  requestedCidr: optional(anyText),
  /** The CIDRs that a hub gave last, separated by commas: what running pods have addresses of. */
  givenCidr: optional(anyText),
});

/** Who the cluster is on the hub. */
export type Identity = ValueOf<typeof shape>;

const key = 'identity.json';

/**
 * The Secret of the member cluster that keeps the identity, so that a restart needs no join token, and that all
 * components of the cluster share.
 */
export class IdentitySecret {
  readonly #client: KubeClient;
  readonly #reference: { readonly namespace: string; readonly name: string };

  constructor(client: KubeClient, namespace: string, name: string) {
    this.#client = client;
    this.#reference = { namespace, name };
  }

  /**
   * Undefined where there is none: no Secret, or an empty one, as an installation makes it.
   *
   * @throws UnreadableError where there is one that is not ours; its message repeats nothing of it.
   */
  async read(signal: AbortSignal): Promise<Identity | undefined> {
    const secret = await this.#client.get(secrets, this.#reference, { signal });
    return secret === undefined || encodedIn(secret) === undefined ? undefined : identityIn(secret);
  }

  /**
   * Keeps what `change` makes of the stored identity. The same object, or undefined, is nothing to write; it is asked anew
   * where another component of the cluster wrote in between.
   *
   * @returns what `change` made in the end.
   */
  async change<T extends Identity | undefined>(
    change: (stored: Identity | undefined) => T,
    signal: AbortSignal,
  ): Promise<T> {
    for (;;) {
      const secret = await this.#client.get(secrets, this.#reference, { signal });
      const stored = secret && readableIn(secret);
      const identity = change(stored);
      if (identity === undefined || identity === stored) return identity;
      try {
        await this.#put(identity, secret, signal);
        return identity;
      } catch (error) {
        if (!(error instanceof KubeError && error.status === 409)) throw error;
      }
    }
  }

  /** Touches nothing but the data: the Secret's labels are the installation's. */
  async #put(identity: Identity, stored: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    const data = { [key]: Buffer.from(JSON.stringify(identity)).toString('base64') };
    if (stored === undefined) {
      const labels = { 'app.kubernetes.io/part-of': 'nauti' };
      const secret = { metadata: { ...this.#reference, labels }, type: 'Opaque', data };
      await this.#client.create(secrets, secret, { signal });
      return;
    }
    // With its version: whoever wrote in between must be looked at first.
    const { resourceVersion } = stored.metadata;
    await this.#client.patch(secrets, this.#reference, {
      contentType: 'application/merge-patch+json',
      body: { metadata: { resourceVersion }, data },
      signal,
    });
  }
}

function readableIn(secret: KubeObject): Identity | undefined {
  try {
    return identityIn(secret);
  } catch {
    return undefined;
  }
}

function encodedIn(secret: KubeObject): unknown {
  return (secret.data as Record<string, unknown> | null | undefined)?.[key];
}

function identityIn(secret: KubeObject): Identity {
  const encoded = encodedIn(secret);
  const name = `Secret ${secret.metadata.namespace}/${secret.metadata.name}`;
  const refuse = (path: readonly (string | number)[], expected: string) =>
    new UnreadableError(expected, '(not shown)', ['data', key, ...path], name);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(String(encoded), 'base64').toString('utf8'));
  } catch {
    throw refuse([], 'base64 of JSON');
  }
  try {
    return shape.read(json);
  } catch (error) {
    throw error instanceof UnreadableError ? refuse(error.path, error.expected) : error;
  }
}

/** What the Lease of the cluster on the hub tells of its joining, each time that it is written. */
export function leaseAnnotations({ joinedWith, requestedCidr, givenCidr }: Identity): Record<string, string> {
  return {
    [joinAnnotations.joinedWith]: joinedWith,
    ...(requestedCidr && { [joinAnnotations.requestedCidr]: requestedCidr }),
    ...(givenCidr && { [joinAnnotations.formerCidr]: givenCidr }),
  };
}
