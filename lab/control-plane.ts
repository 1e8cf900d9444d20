/**
 * A real Kubernetes API on this machine's loopback, for tests: etcd, kube-apiserver and, where asked for,
 * kube-controller-manager. Ready in about three seconds; several may run at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { apiServerReady } from './api-request.ts';
import { lastLines } from './command.ts';
import {
  apiServer,
  type ControlPlaneSpec,
  etcd,
  followers,
  kubeconfigFile,
  type Program,
  serverUrl,
} from './control-plane-plan.ts';
import { writeCredentials } from './credentials.ts';
import { ensureTools } from './tools.ts';
import { until } from './until.ts';

export interface ControlPlaneOptions {
  /** Takes certificates, data and logs; it should be empty, and is the caller's to remove. */
  readonly directory: string;
  /** Ends the control plane when it is aborted. */
  readonly signal?: AbortSignal;
  /**
   * Runs kube-controller-manager too: namespaces go away when deleted, garbage is collected, `default` ServiceAccounts
   * and EndpointSlices are made. Without it pods need no ServiceAccount to be created.
   */
  readonly controllerManager?: boolean;
  /** Of its Services, IPv4 first: `10.96.0.0/16` where not given, with a second CIDR behind a comma for both families. */
  readonly serviceCidr?: string;
}

export interface ControlPlane {
  /** URL of the API server. */
  readonly server: string;
  /** Path of a kubeconfig of a cluster administrator. */
  readonly kubeconfig: string;
  /** PEM */
  readonly ca: string;
  /** Ends the API server at once, as a crash would; etcd goes on. */
  killApiServer(): Promise<void>;
  /** Starts the API server again, under the same URL, and waits until it is ready. */
  startApiServer(): Promise<void>;
  /** Ends everything. */
  stop(): Promise<void>;
}

/** Milliseconds until an API server that does not get ready is given up. */
const readyLimit = 120_000;

/**
 * Starts a control plane and waits until it is ready.
 *
 * Its processes end with the process that called this, also where that is killed.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { directory, signal, controllerManager = false, serviceCidr = '10.96.0.0/16' } = options;
  const tools = await ensureTools({ sets: ['etcd', 'kubernetes'], ...(signal && { signal }) });
  await mkdir(directory, { recursive: true });
  const { address, reservation } = await reserveLoopbackAddress();
  const spec: ControlPlaneSpec = {
    ...{ cluster: 'test', directory, tools, address, etcdAddress: address },
    ...{ serviceCidr, controllerManager, scheduler: false },
  };
  const children = new Map<string, Child>();
  const start = (program: Program) => children.set(program.name, new Child(program, directory));
  const startApi = async () => {
    start(apiServer(spec));
    try {
      await untilReady(spec, children, signal);
    } catch (error) {
      if (!children.get('kube-apiserver')?.hasEnded) throw error;
      // It gives up where its first checks take a minute, as on a machine with much other work: a kubelet starts it again.
      start(apiServer(spec));
      await untilReady(spec, children, signal);
    }
  };
  const stop = async () => {
    signal?.removeEventListener('abort', stop);
    await Promise.all([...children.values()].map(child => child.kill()));
    reservation.close();
  };
  try {
    const authority = await writeCredentials(spec);
    start(etcd(spec));
    await startApi();
    for (const program of followers(spec)) start(program);
    signal?.throwIfAborted();
    signal?.addEventListener('abort', stop);
    return {
      server: serverUrl(spec),
      kubeconfig: kubeconfigFile(spec, 'admin'),
      ca: await readFile(authority.certificate, 'utf8'),
      killApiServer: async () => children.get('kube-apiserver')?.kill(),
      startApiServer: startApi,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * An address of 127.0.0.0/8 that is nobody else's, so that all programs have their usual ports.
 *
 * A listener on port 1 of that address is the mark of its owner, and goes away with this process.
 */
async function reserveLoopbackAddress(): Promise<{ address: string; reservation: Server }> {
  for (;;) {
    const address = `127.${randomInt(64, 128)}.${randomInt(256)}.${randomInt(1, 255)}`;
    const reservation = createServer();
    const free = await new Promise<boolean>((resolve, reject) => {
      reservation.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
      );
      reservation.listen(1, address, () => resolve(true));
    });
    if (free) return { address, reservation: reservation.unref() };
  }
}

async function untilReady(
  spec: ControlPlaneSpec,
  children: ReadonlyMap<string, Child>,
  signal: AbortSignal | undefined,
): Promise<void> {
  await until(
    async () => {
      for (const child of children.values()) await child.throwIfEnded();
      return apiServerReady(spec, signal);
    },
    {
      what: `kube-apiserver getting ready (log: ${spec.directory}/kube-apiserver.log)`,
      timeout: readyLimit,
      signal,
    },
  );
}

/** One program of the control plane, tied to the life of this process. */
class Child {
  readonly #process: ChildProcess;
  readonly #log: string;
  readonly #ended: Promise<void>;
  #failure: string | undefined;

  constructor({ name, command, args }: Program, directory: string) {
    this.#log = join(directory, `${name}.log`);
    const log = openSync(this.#log, 'a');
    // The kernel ends the program when this process ends, whatever ends it.
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
      stdio: ['ignore', log, log],
      cwd: directory,
    });
    closeSync(log);
    this.#ended = new Promise(resolve => {
      this.#process.once('error', error => {
        this.#failure = `Cannot run ${name}: ${error.message}`;
        resolve();
      });
      this.#process.once('exit', (code, killedBy) => {
        this.#failure ??= `${name} ended with ${killedBy ?? `code ${code}`}; its log is ${this.#log}`;
        resolve();
      });
    });
    this.#process.unref();
  }

  get hasEnded(): boolean {
    return this.#failure !== undefined;
  }

  async throwIfEnded(): Promise<void> {
    if (this.#failure === undefined) return;
    throw new Error(`${this.#failure}\n${lastLines(await readFile(this.#log, 'utf8'))}`);
  }

  /** SIGKILL: on SIGTERM kube-apiserver drains for a minute. */
  async kill(): Promise<void> {
    this.#process.ref();
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}
