import type { KubeObject } from '../api/meta.ts';
import { UnreadableError } from '../api/parse.ts';
import { secrets } from '../api/resource.ts';
import { type KubeClient, KubeError } from '../kube/client.ts';
import { generateKeyPair, type KeyPair, publicKeyOf } from './key.ts';

/** The keys of a cluster's gateway. */
export interface GatewayKeys {
  readonly current: KeyPair;
  /** Made, told to the others, not in use yet. */
  readonly next?: KeyPair;
  /** When the current key came into use, epoch milliseconds. */
  readonly since: number;
}

/** Fields of the Secret. */
const fields = { current: 'privateKey', next: 'nextPrivateKey', since: 'since' } as const;

/**
 * The Secret that keeps the keys, so that a restart, or the other gateway, goes on with them.
 *
 * Whatever changes is written here before it is used: after a crash at any point what is here is the truth.
 */
export class KeySecret {
  readonly #client: KubeClient;
  readonly #reference: { readonly namespace: string; readonly name: string };

  constructor(client: KubeClient, namespace: string, name: string) {
    this.#client = client;
    this.#reference = { namespace, name };
  }

  /**
   * The keys that are kept; where there are none, new ones that are kept from now on.
   *
   * @throws UnreadableError where something else is kept; its message repeats nothing of it. A key that cannot be read
   *   is never replaced: a person may want it back.
   */
  async open(signal: AbortSignal): Promise<GatewayKeys> {
    for (;;) {
      const stored = await this.#client.get(secrets, this.#reference, { signal });
      const found = stored && this.#read(stored);
      if (found !== undefined) return found;
      const keys: GatewayKeys = { current: generateKeyPair(), since: Date.now() };
      try {
        await this.#write(keys, stored, signal);
        return keys;
      } catch (error) {
        // The other gateway was first: its keys are ours.
        if (!(error instanceof KubeError && error.status === 409)) throw error;
      }
    }
  }

  /**
   * Keeps other keys.
   *
   * @param before what these were decided on.
   * @throws KubeError 409 where something else is kept by now.
   */
  async change(before: GatewayKeys, keys: GatewayKeys, signal: AbortSignal): Promise<void> {
    const stored = await this.#client.get(secrets, this.#reference, { signal });
    const found = stored && this.#read(stored);
    if (
      found?.current.publicKey !== before.current.publicKey ||
      found.next?.publicKey !== before.next?.publicKey
    ) {
      throw new KubeError('Cannot change the keys as they must be those that were read', {
        status: 409,
        reason: 'Conflict',
      });
    }
    await this.#write(keys, stored, signal);
  }

  #read(secret: KubeObject): GatewayKeys | undefined {
    const data = (secret.data ?? {}) as Readonly<Record<string, unknown>>;
    const text = (field: string) => {
      const value = data[field];
      return typeof value === 'string' && value !== ''
        ? Buffer.from(value, 'base64').toString('utf8').trim()
        : undefined;
    };
    const pair = (field: string): KeyPair | undefined => {
      const privateKey = text(field);
      if (privateKey === undefined) return undefined;
      try {
        return { privateKey, publicKey: publicKeyOf(privateKey) };
      } catch {
        const name = `Secret ${this.#reference.namespace}/${this.#reference.name}`;
        throw new UnreadableError('a private key of WireGuard', '(not shown)', ['data', field], name);
      }
    };
    const current = pair(fields.current);
    if (current === undefined) return undefined;
    const next = pair(fields.next);
    const since = Number(text(fields.since));
    return { current, since: Number.isSafeInteger(since) ? since : 0, ...(next && { next }) };
  }

  async #write(keys: GatewayKeys, stored: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    const encode = (text: string) => Buffer.from(text).toString('base64');
    const data = {
      [fields.current]: encode(keys.current.privateKey),
      [fields.next]: keys.next === undefined ? null : encode(keys.next.privateKey),
      [fields.since]: encode(String(keys.since)),
    };
    if (stored === undefined) {
      const { [fields.next]: next, ...present } = data;
      const labels = { 'app.kubernetes.io/part-of': 'nauti' };
      const object = {
        metadata: { ...this.#reference, labels },
        type: 'Opaque',
        data: next === null ? present : data,
      };
      await this.#client.create(secrets, object, { signal });
      return;
    }
    await this.#client.patch(secrets, this.#reference, {
      contentType: 'application/merge-patch+json',
      // With its version: whoever wrote in between must be looked at first.
      body: { metadata: { resourceVersion: stored.metadata.resourceVersion }, data },
      signal,
    });
  }
}
