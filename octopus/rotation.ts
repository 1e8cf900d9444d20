import { setTimeout as sleep } from 'node:timers/promises';
import { KubeError } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import { generateKeyPair } from './key.ts';
import type { GatewayKeys, KeySecret } from './key-secret.ts';
import type { Links } from './links.ts';
import type { GatewayMetrics } from './metrics.ts';

/** What to do about the keys now. Pure. */
export type RotationStep = 'wait' | 'make-next' | 'change';

export interface RotationFacts {
  readonly ageMs: number;
  /** 0: never. */
  readonly rotateMs: number;
  readonly hasNext: boolean;
  /** The hub has our next key. */
  readonly isTold: boolean;
  /** Clusters that answer and do not know it yet. */
  readonly unaware: number;
}

/**
 * A new key is made when the former is old enough; it comes into use when everybody who answers has it. While the hub is
 * away, or somebody has not read it, the former goes on.
 */
export function nextStep({ ageMs, rotateMs, hasNext, isTold, unaware }: RotationFacts): RotationStep {
  if (!hasNext) return rotateMs > 0 && ageMs >= rotateMs ? 'make-next' : 'wait';
  return isTold && unaware === 0 ? 'change' : 'wait';
}

export interface RotationOptions {
  readonly settings: { readonly keyRotation: number; readonly probeInterval: number };
  readonly secret: KeySecret;
  readonly links: Links;
  readonly keys: () => GatewayKeys | undefined;
  /** Goes on with other keys. */
  readonly use: (keys: GatewayKeys) => Promise<void>;
  /** Whether our Peer says this next key. */
  readonly isTold: (publicKey: string) => boolean;
  readonly metrics: GatewayMetrics;
  readonly log: Logger;
}

/**
 * Changes the gateway's key without losing a packet.
 *
 * WireGuard has one key a device, and takes a packet only from the peer that its source address belongs to: the others
 * must replace us in the moment in which we change. So the next key is told first, on our Peer; when all that answer
 * say that they know it, a countdown goes to all of them through the tunnels. At its end we change; what we send from
 * then on waits in WireGuard for a handshake. The others follow a few milliseconds later, so that what was on its way is
 * taken, and make that handshake. docs/design/tunnel-keys.md.
 */
export class Rotation {
  readonly #options: RotationOptions;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { settings, log } = this.#options;
    // Answers that say what the others know come once an interval.
    const intervalMs = Math.max(settings.probeInterval, 100);
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#look(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.metrics.rotations.inc({ outcome: 'failed' });
        log.warn({ err: error }, 'key cannot be changed now, trying again');
        await this.#reread(error, signal);
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { settings, secret, links, keys: current, use, isTold, metrics, log } = this.#options;
    const keys = current();
    if (keys === undefined) return;
    const step = nextStep({
      ageMs: Date.now() - keys.since,
      rotateMs: settings.keyRotation,
      hasNext: keys.next !== undefined,
      isTold: keys.next !== undefined && isTold(keys.next.publicKey),
      unaware: links.unaware.length,
    });
    if (step === 'wait') return;
    if (keys.next === undefined) {
      const told: GatewayKeys = { ...keys, next: generateKeyPair() };
      await secret.change(keys, told, signal);
      await use(told);
      log.info({ key: told.next?.publicKey }, 'next key made');
      return;
    }
    const changed: GatewayKeys = { current: keys.next, since: Date.now() };
    // Kept first: after a crash in the next moment we come back with the key that the others have by then.
    await secret.change(keys, changed, signal);
    const silent = await links.announceKey(keys.next.publicKey);
    await use(changed);
    metrics.rotations.inc({ outcome: 'done' });
    log.info({ key: changed.current.publicKey, silent }, 'key changed');
  }

  /** Somebody else changed the keys, or we have lost track: what is kept is the truth. */
  async #reread(error: unknown, signal: AbortSignal): Promise<void> {
    if (!(error instanceof KubeError && error.status === 409)) return;
    try {
      await this.#options.use(await this.#options.secret.open(signal));
    } catch (again) {
      if (!signal.aborted) this.#options.log.warn({ err: again }, 'keys cannot be read');
    }
  }
}
