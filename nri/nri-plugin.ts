import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Backoff } from '../kube/backoff.ts';
import type { Logger } from '../process/log.ts';
import { Multiplexer } from './multiplexer.ts';
import {
  ConfigureRequestSchema,
  ConfigureResponseSchema,
  EmptySchema,
  type PodSandbox,
  PodSandboxRequestSchema,
  RegisterPluginRequestSchema,
  StateChangeEventSchema,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
} from './protocol/generated/nri_pb.ts';
import { checkSandbox, type Sandbox } from './sandbox.ts';
import { decode, type Handler, StatusError, serveTtrpc, statusCodes, TtrpcClient } from './ttrpc.ts';

/** What is done with the runtime's calls. A rejection of `run` makes the start of the pod fail. */
export interface SandboxEvents {
  /** All sandboxes that the runtime has. */
  synchronize(sandboxes: readonly Sandbox[]): void;
  run(sandbox: Sandbox): Promise<void>;
  /** Stopped or removed; both may come, in any order, more than once. */
  stop(sandbox: Sandbox): Promise<void>;
  /** Something in a call that was refused. */
  refused(error: Error): void;
}

/** Connections over the runtime's socket. */
const pluginConnection = 1;
const runtimeConnection = 2;

const pluginService = 'nri.pkg.api.v1alpha1.Plugin';
const runtimeService = 'nri.pkg.api.v1alpha1.Runtime';
const events = { run: 1, stop: 2, remove: 3 } as const;
/** Bit event − 1 of each. 0 would mean all events there are. */
const subscribed = Object.values(events).reduce((mask, event) => mask | (1 << (event - 1)), 0);

const registrationTimeoutMs = 5_000;
/** More than a node has; a runtime that sends more than that is none. */
const mostSandboxes = 20_000;

export interface NriPluginOptions {
  readonly socketPath: string;
  readonly name: string;
  /** Two digits. */
  readonly index: string;
  readonly events: SandboxEvents;
  readonly log: Logger;
}

/** How the plugin is with the runtime. */
export type PluginState =
  | { readonly kind: 'away' }
  | { readonly kind: 'registering' }
  | { readonly kind: 'serving'; readonly runtime: string };

/**
 * A plugin of the container runtime: registers, and serves its calls, over connections that come and go. Where the
 * runtime closes it, which it does to plugins that answer late, it comes back, and the runtime tells of all pods anew.
 */
export class NriPlugin {
  readonly #options: NriPluginOptions;
  #state: PluginState = { kind: 'away' };

  constructor(options: NriPluginOptions) {
    this.#options = options;
  }

  get state(): PluginState {
    return this.#state;
  }

  /**
   * Serves until the signal is aborted, or `mayReturn` says after a failure that the runtime's socket is gone for good.
   */
  async run(signal: AbortSignal, mayReturn: () => boolean = () => false): Promise<void> {
    const backoff = new Backoff({ minMs: 100, maxMs: 5_000 });
    while (!signal.aborted) {
      const begin = performance.now();
      const error = await this.#serve(signal);
      this.#state = { kind: 'away' };
      if (signal.aborted || mayReturn()) return;
      if (performance.now() - begin > 10_000) backoff.reset();
      this.#options.log.warn({ err: error }, 'connection to the container runtime ended, coming back');
      await sleep(backoff.next(), undefined, { signal }).catch(() => {});
    }
  }

  /** One connection. @returns why it ended. */
  async #serve(signal: AbortSignal): Promise<Error> {
    const { socketPath, name, index, log } = this.#options;
    const socket = connect({ path: socketPath });
    const ended = whenClosed(socket);
    const onAbort = () => socket.destroy();
    signal.addEventListener('abort', onAbort);
    try {
      const multiplexer = new Multiplexer(socket);
      serveTtrpc(multiplexer.open(pluginConnection), this.#methods());
      const runtime = new TtrpcClient(multiplexer.open(runtimeConnection));
      this.#state = { kind: 'registering' };
      const request = { pluginName: name, pluginIdx: index };
      const registering = AbortSignal.any([signal, AbortSignal.timeout(registrationTimeoutMs)]);
      await Promise.race([
        runtime.call(
          runtimeService,
          'RegisterPlugin',
          encode(RegisterPluginRequestSchema, request),
          registering,
        ),
        ended.then(error => {
          throw error;
        }),
      ]);
      log.debug('registered with the container runtime');
      return await ended;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    }
  }

  /** The runtime's calls. Those of one connection share what Synchronize gathers. */
  #methods(): ReadonlyMap<string, Handler> {
    const { log, events: told } = this.#options;
    let runtime = '';
    let gathered: Sandbox[] = [];
    const empty = () => encode(EmptySchema, {});
    const run = async (pod: PodSandbox | undefined) => {
      const sandbox = this.#read(pod);
      if (sandbox === undefined)
        throw new StatusError(statusCodes.invalidArgument, 'the sandbox is not legal');
      await told.run(sandbox);
      return empty();
    };
    const stop = async (pod: PodSandbox | undefined) => {
      const sandbox = this.#read(pod);
      if (sandbox !== undefined) await told.stop(sandbox);
      return empty();
    };
    const podOf = (payload: Uint8Array) => decode(() => fromBinary(PodSandboxRequestSchema, payload)).pod;
    const handlers: Record<string, Handler> = {
      Configure: payload => {
        const { runtimeName, runtimeVersion } = decode(() => fromBinary(ConfigureRequestSchema, payload));
        runtime = `${runtimeName} ${runtimeVersion}`.trim().slice(0, 100);
        return encode(ConfigureResponseSchema, { events: subscribed });
      },
      Synchronize: payload => {
        const { pods, more } = decode(() => fromBinary(SynchronizeRequestSchema, payload));
        for (const pod of pods) {
          const sandbox = this.#read(pod);
          if (sandbox !== undefined) gathered.push(sandbox);
        }
        if (gathered.length > mostSandboxes) {
          throw new StatusError(statusCodes.resourceExhausted, `at most ${mostSandboxes} pods are taken`);
        }
        if (!more) {
          const all = gathered;
          gathered = [];
          this.#state = { kind: 'serving', runtime };
          log.info({ runtime, sandboxes: all.length }, 'the container runtime tells of pods');
          told.synchronize(all);
        }
        return encode(SynchronizeResponseSchema, { more });
      },
      Shutdown: empty,
      RunPodSandbox: payload => run(podOf(payload)),
      StopPodSandbox: payload => stop(podOf(payload)),
      RemovePodSandbox: payload => stop(podOf(payload)),
      // Runtimes before NRI 0.12 have no calls of their own for these.
      StateChange: payload => {
        const { event, pod } = decode(() => fromBinary(StateChangeEventSchema, payload));
        if (event === events.run) return run(pod);
        if (event === events.stop || event === events.remove) return stop(pod);
        return empty();
      },
    };
    return new Map(
      Object.entries(handlers).map(([method, handler]) => [`${pluginService}/${method}`, handler]),
    );
  }

  #read(pod: PodSandbox | undefined): Sandbox | undefined {
    try {
      return readSandbox(pod);
    } catch (error) {
      this.#options.events.refused(error as Error);
      return undefined;
    }
  }
}

/** @throws SandboxError */
export function readSandbox(pod: PodSandbox | undefined): Sandbox {
  const path = pod?.linux?.namespaces.find(({ type }) => type === 'network')?.path;
  return checkSandbox({
    id: pod?.id ?? '',
    uid: pod?.uid ?? '',
    namespace: pod?.namespace ?? '',
    name: pod?.name ?? '',
    netns: path === '' ? undefined : path,
    annotations: pod?.annotations ?? {},
  });
}

function encode<S extends Parameters<typeof create>[0]>(schema: S, content: MessageInitShape<S>): Uint8Array {
  return toBinary(schema, create(schema, content));
}

function whenClosed(socket: Socket): Promise<Error> {
  let reason = new Error('the container runtime closed the connection');
  socket.once('error', error => {
    reason = error;
  });
  return new Promise(resolve => socket.once('close', () => resolve(reason)));
}
