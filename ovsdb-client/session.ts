import type { Socket } from 'node:net';
import { DisconnectedError, OverloadedError, ProtocolError, RequestError } from './errors.ts';
import { FrameScanner } from './json-frames.ts';
import { parseLargeJson } from './large-json.ts';
import { type Message, readMessage } from './message.ts';

export interface SessionOptions {
  /** The server's silence after which an echo is sent, and again after which the connection is given up. 0: never. */
  readonly probeIntervalMs: number;
  /** The longest message that is read, in bytes. */
  readonly maxMessageBytes: number;
  /** How much may wait to be sent before further requests are refused, in bytes. */
  readonly maxQueuedBytes: number;
  /** Takes the server's notifications, in order; the next message is read when it is done. */
  onNotification(method: string, params: readonly unknown[]): void | Promise<void>;
}

interface Pending {
  readonly method: string;
  resolve(result: unknown): void | Promise<void>;
  reject(error: unknown): void;
}

/** Longer messages are parsed in pieces, so that the event loop goes on meanwhile. */
const largeMessage = 256 * 1024;

/** One JSON-RPC connection, from the open socket to its end. It never comes back. */
export class Session {
  readonly #socket: Socket;
  readonly #options: SessionOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #ended = Promise.withResolvers<Error>();
  #nextId = 1;
  #closedBy: Error | undefined;
  #corked = false;
  /** Runs from the last byte that was heard; then, once more, from the echo that was sent. */
  readonly #silence: NodeJS.Timeout | undefined;
  #probing = false;
  /** When the interval that runs began, as performance.now(). */
  #quietSince = performance.now();
  /** Whether what was heard is still being worked on. */
  #isReading = false;

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    // The reader below ends with the socket's error; without a listener it would end the process.
    socket.on('error', () => {});
    if (options.probeIntervalMs > 0) {
      this.#silence = setInterval(() => this.#onSilence(), options.probeIntervalMs);
    }
    void this.#read();
  }

  /** Resolves with the reason when the connection has ended. */
  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  get isOpen(): boolean {
    return this.#closedBy === undefined;
  }

  /**
   * Sends a request.
   *
   * @param apply is given the result before the next message is read; the promise resolves when it is done. A monitor's
   *   first rows are applied so, before the notifications that follow them.
   * @throws RequestError, DisconnectedError, OverloadedError, or the signal's reason; the server is then told to cancel.
   */
  request<T = unknown>(
    method: string,
    params: readonly unknown[],
    { signal, apply }: { signal?: AbortSignal | undefined; apply?: (result: unknown) => T | Promise<T> } = {},
  ): Promise<T> {
    if (this.#closedBy !== undefined) {
      return Promise.reject(new DisconnectedError(`Cannot send ${method}`, { cause: this.#closedBy }));
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#socket.writableLength > this.#options.maxQueuedBytes) {
      return Promise.reject(
        new OverloadedError(
          `Cannot send ${method} as at most ${this.#options.maxQueuedBytes} bytes must wait to be sent: current value is ${this.#socket.writableLength}`,
        ),
      );
    }
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      const onAbort = () => {
        if (!this.#pending.delete(id)) return;
        this.notify('cancel', [id]);
        reject(signal?.reason);
      };
      this.#pending.set(id, {
        method,
        resolve(result) {
          signal?.removeEventListener('abort', onAbort);
          if (apply === undefined) return resolve(result as T);
          const applied = (async () => apply(result))();
          resolve(applied);
          // What cannot be applied ends the connection: the reader waits for this and fails.
          return applied.then(() => {});
        },
        reject(error) {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#write(JSON.stringify({ method, params, id }));
    });
  }

  notify(method: string, params: readonly unknown[]): void {
    if (this.isOpen) this.#write(JSON.stringify({ method, params, id: null }));
  }

  /** Ends the connection; what is pending is rejected. */
  close(reason: Error): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = reason;
    clearInterval(this.#silence);
    this.#socket.destroy();
    for (const { method, reject } of this.#pending.values()) {
      const message = `The connection ended before ${method} was answered`;
      reject(new DisconnectedError(message, { cause: reason, sent: true }));
    }
    this.#pending.clear();
    this.#ended.resolve(reason);
  }

  async #read(): Promise<void> {
    const scanner = new FrameScanner(this.#options.maxMessageBytes);
    try {
      for await (const chunk of this.#socket) {
        this.#probing = false;
        this.#isReading = true;
        for (const frame of scanner.push(chunk as Buffer)) {
          const value = frame.length > largeMessage ? await parseLargeJson(frame) : parseJson(frame);
          const work = this.#handle(readMessage(value));
          // Awaited only where there is something to wait for: a turn of the loop for each message would be felt.
          if (work !== undefined) await work;
          if (!this.isOpen) return;
        }
        this.#isReading = false;
        this.#watchSilence();
      }
      this.close(new DisconnectedError('The server closed the connection'));
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #handle(message: Message): void | Promise<void> {
    if (message.kind === 'notification') return this.#options.onNotification(message.method, message.params);
    if (message.kind === 'request') return this.#answer(message.method, message.params, message.id);
    const pending = typeof message.id === 'number' ? this.#pending.get(message.id) : undefined;
    // An answer to a cancelled request, or to an echo of the server's own making.
    if (pending === undefined) return;
    this.#pending.delete(message.id as number);
    if (message.error === undefined) return pending.resolve(message.result);
    pending.reject(new RequestError(pending.method, message.error));
  }

  #answer(method: string, params: readonly unknown[], id: unknown): void {
    const answer =
      method === 'echo'
        ? { result: params, error: null, id }
        : { result: null, error: { error: 'unknown method' }, id };
    this.#write(JSON.stringify(answer));
  }

  #write(text: string): void {
    // What is sent in one turn of the loop goes out in one packet.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(text);
  }

  #watchSilence(): void {
    this.#quietSince = performance.now();
    this.#silence?.refresh();
  }

  #onSilence(): void {
    const late = performance.now() - this.#quietSince > 1.5 * this.#options.probeIntervalMs;
    this.#watchSilence();
    // It was this process that stood still or is busy: what the server said meanwhile may lie in the socket.
    if (late || this.#isReading) return;
    if (this.#probing) {
      const silence = 2 * this.#options.probeIntervalMs;
      this.close(new DisconnectedError(`The server was silent for ${silence} ms`));
      return;
    }
    this.#probing = true;
    // Its answer is heard like everything else; that it fails with the connection is known by then.
    this.request('echo', []).catch(() => {});
  }
}

function parseJson(frame: Buffer): unknown {
  try {
    return JSON.parse(frame.toString('utf8'));
  } catch (error) {
    throw new ProtocolError('Cannot read from the server as a message must be JSON', { cause: error });
  }
}
