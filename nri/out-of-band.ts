import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelay } from '../kube/backoff.ts';
import type { Logger } from '../process/log.ts';
import type { CriClient, ListedSandbox } from './cri-client.ts';
import { checkSandbox, podKey, type Sandbox } from './sandbox.ts';

export interface OutOfBandOptions {
  readonly cri: Pick<CriClient, 'list' | 'netnsOf'>;
  /** Pods of the node that should have a sandbox, by key. */
  readonly pods: () => Iterable<string>;
  /** Told the sandboxes of the node whenever they are not the same as before, and once at least. */
  readonly synchronize: (sandboxes: readonly Sandbox[]) => void;
  readonly refused: (error: Error) => void;
  readonly log: Logger;
}

/** Pauses between two looks while pods and sandboxes do not fit each other, growing. */
const pauses = { minMs: 50, maxMs: 2_000 };
/** A sandbox that ends with nobody changing its pod, and NRI that comes, are seen after this at the latest. */
const idleMs = 5_000;

/**
 * Learns of pods without NRI: a change of a pod of the node in the API is the reason to ask the runtime which sandboxes
 * it has; while a pod has none yet, or a sandbox no pod, it asks again.
 */
export class OutOfBand {
  readonly #options: OutOfBandOptions;
  /** Network namespaces of sandboxes, which never change. */
  readonly #known = new Map<string, Sandbox>();
  #wake = Promise.withResolvers<void>();
  #told: string | undefined;
  #isConnected = false;

  constructor(options: OutOfBandOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Look again: a pod changed. */
  poke(): void {
    this.#wake.resolve();
  }

  /** Works until the signal is aborted, or `mayReturn` says between two looks that NRI is there. */
  async run(signal: AbortSignal, mayReturn: () => boolean): Promise<void> {
    let tries = 0;
    while (!signal.aborted && !mayReturn()) {
      this.#wake = Promise.withResolvers<void>();
      const fits = await this.#look(signal);
      tries = fits ? 0 : tries + 1;
      const pause = fits ? idleMs : backoffDelay(tries - 1, pauses);
      const timer = new AbortController();
      const waiting = sleep(pause, undefined, { signal: AbortSignal.any([signal, timer.signal]) });
      if ((await Promise.race([waiting.catch(() => {}), this.#wake.promise.then(() => 'woken')])) === 'woken')
        tries = 0;
      timer.abort();
      await waiting.catch(() => {});
    }
    this.#isConnected = false;
  }

  /** @returns whether every pod has a sandbox and every sandbox a pod. */
  async #look(signal: AbortSignal): Promise<boolean> {
    const { cri, pods, log, synchronize } = this.#options;
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
    try {
      const listed = (await cri.list(bounded)).filter(({ isReady }) => isReady);
      const sandboxes = (
        await Promise.all(listed.sort(byAttempt).map(found => this.#find(found, bounded)))
      ).flatMap(sandbox => sandbox ?? []);
      const told = sandboxes.map(({ id, netns }) => `${id} ${netns}`).join();
      this.#isConnected = true;
      if (told !== this.#told) synchronize(sandboxes);
      this.#told = told;
      for (const id of this.#known.keys()) if (!listed.some(found => found.id === id)) this.#known.delete(id);
      const wanted = new Set(pods());
      const onNetwork = sandboxes.filter(({ netns }) => netns !== undefined).map(podKey);
      return onNetwork.length === wanted.size && onNetwork.every(key => wanted.has(key));
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'cannot ask the container runtime for its sandboxes');
      this.#isConnected = false;
      return false;
    }
  }

  async #find(found: ListedSandbox, signal: AbortSignal): Promise<Sandbox | undefined> {
    const known = this.#known.get(found.id);
    if (known !== undefined) return known;
    const { id, uid, namespace, name, annotations } = found;
    const { cri, refused, log } = this.#options;
    let sandbox: Sandbox;
    try {
      sandbox = checkSandbox({ id, uid, namespace, name, annotations, netns: undefined });
    } catch (error) {
      refused(error as Error);
      return undefined;
    }
    try {
      const complete = { ...sandbox, netns: await cri.netnsOf(id, signal) };
      this.#known.set(id, complete);
      return complete;
    } catch (error) {
      signal.throwIfAborted();
      // Others are not affected. It is told of all the same, or its NIC would be taken for nobody's; and looked at again.
      log.warn({ err: error, sandbox: id }, 'cannot ask the container runtime for the network of a pod');
      return sandbox;
    }
  }
}

/** Later sandboxes of a pod last: of two the last counts. */
function byAttempt(a: ListedSandbox, b: ListedSandbox): number {
  return a.attempt - b.attempt;
}
