import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../process/log.ts';
import type { CriClient } from './cri-client.ts';
import type { RuntimeMode } from './metrics.ts';
import { NriPlugin, type SandboxEvents } from './nri-plugin.ts';
import type { OutOfBand } from './out-of-band.ts';

export interface RuntimeLinkOptions {
  readonly mode: 'auto' | 'nri' | 'cri';
  readonly nriSocket: string;
  readonly nriIndex: string;
  readonly criSockets: readonly string[];
  readonly events: SandboxEvents;
  /** Keys of the pods of the node that should have a sandbox. */
  readonly pods: () => Iterable<string>;
  /** Told whenever the mode was chosen. */
  readonly onMode: () => void;
  readonly log: Logger;
}

/** A runtime that restarts has no socket for a moment. */
const absentMs = 3_000;
const lookMs = 250;

/** How the agent learns of the node's pods: by NRI where the runtime has it, else out of band; chosen again as it changes. */
export class RuntimeLink {
  readonly #options: RuntimeLinkOptions;
  readonly #plugin: NriPlugin;
  #current: { readonly mode: RuntimeMode; readonly outOfBand?: OutOfBand } = { mode: 'none' };

  constructor(options: RuntimeLinkOptions) {
    this.#options = options;
    const { nriSocket, nriIndex, events, log } = options;
    this.#plugin = new NriPlugin({ socketPath: nriSocket, name: 'nauti', index: nriIndex, events, log });
  }

  get mode(): RuntimeMode {
    return this.#current.mode;
  }

  get isConnected(): boolean {
    const { mode, outOfBand } = this.#current;
    return mode === 'nri' ? this.#plugin.state.kind === 'serving' : (outOfBand?.isConnected ?? false);
  }

  /** A pod of the node changed in the API. */
  podChanged(): void {
    this.#current.outOfBand?.poke();
  }

  /**
   * Asks the runtime itself for the path of a sandbox's network namespace.
   *
   * @returns undefined where it has none, or none any more, and where the runtime's own socket is not there.
   * @throws CriError
   */
  async netnsOf(id: string, signal: AbortSignal): Promise<string | undefined> {
    const { criSockets, log } = this.#options;
    const path = criSockets.find(existsSync);
    if (path === undefined) {
      log.warn({ sandbox: id, sockets: criSockets }, 'cannot ask the runtime for the network of a pod');
      return undefined;
    }
    const cri = await openCri(path);
    try {
      return await cri.netnsOf(id, AbortSignal.any([signal, AbortSignal.timeout(5_000)]));
    } finally {
      cri.close();
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const { mode, log } = this.#options;
    while (!signal.aborted) {
      const isNri = mode === 'nri' || (mode === 'auto' && (await this.#hasNri(signal)));
      if (signal.aborted) return;
      if (isNri) {
        this.#current = { mode: 'nri' };
        this.#options.onMode();
        log.info({ mode: 'nri', socket: this.#options.nriSocket }, 'learning of pods');
        await this.#plugin.run(signal, () => mode === 'auto' && !existsSync(this.#options.nriSocket));
      } else await this.#runOutOfBand(signal);
    }
  }

  async #runOutOfBand(signal: AbortSignal): Promise<void> {
    const { mode, nriSocket, criSockets, events, pods, log } = this.#options;
    const path = criSockets.find(existsSync);
    if (path === undefined) {
      log.warn({ sockets: [nriSocket, ...criSockets] }, 'no socket of a container runtime is there');
      await sleep(absentMs, undefined, { signal }).catch(() => {});
      return;
    }
    const { OutOfBand } = await import('./out-of-band.ts');
    const cri = await openCri(path);
    const outOfBand = new OutOfBand({
      cri,
      pods,
      synchronize: sandboxes => events.synchronize(sandboxes),
      refused: error => events.refused(error),
      log,
    });
    this.#current = { mode: 'cri', outOfBand };
    this.#options.onMode();
    log.info({ mode: 'cri', socket: path }, 'learning of pods');
    try {
      await outOfBand.run(signal, () => mode === 'auto' && existsSync(nriSocket));
    } finally {
      cri.close();
    }
  }

  /** Whether there is an NRI socket, also after a moment. */
  async #hasNri(signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + absentMs;
    while (!existsSync(this.#options.nriSocket)) {
      if (signal.aborted || performance.now() > deadline) return false;
      await sleep(lookMs, undefined, { signal }).catch(() => {});
    }
    return true;
  }
}

/** Loaded when it is needed: HTTP/2 and the messages take memory that most nodes need not give. */
async function openCri(path: string): Promise<CriClient> {
  const { CriClient } = await import('./cri-client.ts');
  return new CriClient(path);
}
