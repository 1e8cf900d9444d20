/** A runtime that lies. It is a double, as no real one does what it does here. */
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { until } from '../../../lab/until.ts';
import { Multiplexer } from '../../../nri/multiplexer.ts';
import { readNamespace } from '../../../nri/observed-nic.ts';
import {
  ConfigureRequestSchema,
  ConfigureResponseSchema,
  EmptySchema,
  PodSandboxRequestSchema,
  type PodSandboxSchema,
  StateChangeEventSchema,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
} from '../../../nri/protocol/generated/nri_pb.ts';
import { randomBytes } from '../../../nri/testing/random.ts';
import { StatusError, serveTtrpc, TtrpcClient } from '../../../nri/ttrpc.ts';
import { allocation, startWorld, type World } from './world.ts';

const plugin = 'nri.pkg.api.v1alpha1.Plugin';
const signal = () => AbortSignal.timeout(60_000);

/** One connection of a plugin. */
class LyingRuntime {
  readonly socket: Socket;
  readonly #client: TtrpcClient;
  readonly registered = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    const multiplexer = new Multiplexer(socket);
    this.#client = new TtrpcClient(multiplexer.open(1));
    const register = () => {
      this.registered.resolve();
      return toBinary(EmptySchema, create(EmptySchema));
    };
    serveTtrpc(multiplexer.open(2), new Map([['nri.pkg.api.v1alpha1.Runtime/RegisterPlugin', register]]));
  }

  call(method: string, payload: Uint8Array): Promise<Uint8Array> {
    return this.#client.call(plugin, method, payload, signal());
  }

  async configure(): Promise<number> {
    const request = create(ConfigureRequestSchema, { runtimeName: 'liar', runtimeVersion: '0' });
    const answer = await this.call('Configure', toBinary(ConfigureRequestSchema, request));
    return fromBinary(ConfigureResponseSchema, answer).events;
  }

  async synchronize(pods: MessageInitShape<typeof PodSandboxSchema>[], more = false): Promise<boolean> {
    const request = create(SynchronizeRequestSchema, { pods, more });
    const answer = await this.call('Synchronize', toBinary(SynchronizeRequestSchema, request));
    return fromBinary(SynchronizeResponseSchema, answer).more;
  }

  run(pod: MessageInitShape<typeof PodSandboxSchema>): Promise<Uint8Array> {
    return this.call(
      'RunPodSandbox',
      toBinary(PodSandboxRequestSchema, create(PodSandboxRequestSchema, { pod })),
    );
  }

  change(event: number, pod: MessageInitShape<typeof PodSandboxSchema>): Promise<Uint8Array> {
    const request = create(StateChangeEventSchema, { event, pod });
    return this.call('StateChange', toBinary(StateChangeEventSchema, request));
  }
}

describe('nri and a runtime that lies', function () {
  this.timeout(180_000);
  let world: World;
  let server: Server;
  const waiting: LyingRuntime[] = [];
  const all: LyingRuntime[] = [];

  before(async () => {
    world = await startWorld();
    await world.node.end('containerd');
    await mkdir(world.node.path('/run/nri'), { recursive: true });
    const path = world.node.path('/run/nri/nri.sock');
    await rm(path, { force: true });
    server = createServer(socket => {
      const runtime = new LyingRuntime(socket);
      waiting.push(runtime);
      all.push(runtime);
    }).listen(path);
    await once(server, 'listening');
    const ready = world.startAgent('--wait', '200ms');
    const runtime = await connected();
    await runtime.configure();
    await runtime.synchronize([]);
    await ready;
    runtime.socket.destroy();
  });
  after(async () => {
    server?.close();
    for (const runtime of all) runtime.socket.destroy();
    await world?.[Symbol.asyncDispose]();
  });

  /** Without what the kernel adds by itself, and without the states that pass. */
  const addressesOfNode = async () =>
    readNamespace(await world.node.run('ip', '-json', '-details', 'address')).links.map(
      ({ name, addresses }) => `${name} ${addresses}`,
    );

  async function connected(): Promise<LyingRuntime> {
    const runtime = await until(() => waiting.shift(), {
      what: 'the agent coming',
      timeout: 60_000,
      interval: 10,
    });
    await runtime.registered.promise;
    return runtime;
  }

  async function serving(): Promise<LyingRuntime> {
    const runtime = await connected();
    expect(await runtime.configure()).to.equal(7);
    await runtime.synchronize([]);
    return runtime;
  }

  const pod = (name: string, path: string, more: object = {}) => ({
    id: `id-${name}`,
    uid: `uid-${name}`,
    namespace: 'default',
    name,
    annotations: allocation(50),
    linux: { namespaces: [{ type: 'network', path }] },
    ...more,
  });
  const isRefused = (name: string) =>
    until(
      () => world.log.some(({ msg, pod }) => msg === 'pod is refused a NIC' && pod === `default/${name}`),
      { what: `the refusal of ${name}`, timeout: 60_000, interval: 10 },
    );

  it('refuses network namespaces that are not those of pods', async () => {
    await world.node.run(
      'sh',
      '-euc',
      [
        'cd /run/netns; touch own file; mount --bind /proc/self/ns/net own; ln -s own link',
        'touch ipc; mount --bind /proc/self/ns/ipc ipc; mkdir directory',
      ].join('\n'),
    );
    const before = await addressesOfNode();
    const runtime = await serving();
    const paths = {
      outside: '/etc/passwd',
      above: '/run/netns/../../etc/passwd',
      relative: 'run/netns/own',
      below: '/run/netns/directory/x',
      process: '/proc/1/ns/net',
      shell: '/run/netns/$(touch /tmp/x)',
      own: '/run/netns/own',
      file: '/run/netns/file',
      directory: '/run/netns/directory',
      link: '/run/netns/link',
    };
    for (const [name, path] of Object.entries(paths)) {
      await runtime.run(pod(name, path));
      await isRefused(name);
    }
    // That it is of another kind the kernel says.
    await runtime.run(pod('ipc', '/run/netns/ipc'));
    await until(async () => (await world.metric('nauti_nri_failures_total')) > 0, {
      what: 'the failure',
      timeout: 60_000,
    });
    await runtime.change(2, pod('ipc', '/run/netns/ipc'));
    expect(await addressesOfNode()).to.deep.equal(before);
    runtime.socket.destroy();
  });

  it('refuses sandboxes that cannot be, and takes none of them into its hands', async () => {
    const runtime = await serving();
    for (const more of [
      { id: '' },
      { id: '../../x' },
      { id: 'a'.repeat(5_000) },
      { uid: '$(reboot)' },
      { namespace: 'a/b' },
      { namespace: '' },
      { name: 'x\ny' },
    ]) {
      const failure = await runtime.run(pod('odd', '/run/netns/own', more)).catch(error => error);
      expect(failure).to.be.instanceOf(StatusError);
    }
    expect(await world.metric('nauti_nri_refusals_total{reason="sandbox"}')).to.equal(7);
    runtime.socket.destroy();
  });

  it('takes pages of pods, and calls of older runtimes', async () => {
    const runtime = await connected();
    await runtime.configure();
    expect(await runtime.synchronize([pod('one', '/etc/passwd')], true)).to.equal(true);
    expect(await runtime.synchronize([pod('two', '/etc/passwd')])).to.equal(false);
    await Promise.all([isRefused('one'), isRefused('two')]);
    await runtime.change(1, pod('three', '/etc/passwd'));
    await isRefused('three');
    await runtime.change(2, pod('three', '/etc/passwd'));
    await runtime.change(3, pod('three', '/etc/passwd'));
    await runtime.change(9, pod('three', '/etc/passwd'));
    const failure = await runtime.call('CreateContainer', new Uint8Array()).catch(error => error);
    expect(failure).to.include({ code: 12 });
    runtime.socket.destroy();
  });

  it('lives through noise, and comes back after each', async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const runtime = await connected();
      for (const method of ['Configure', 'Synchronize', 'RunPodSandbox', 'StateChange', 'Nothing']) {
        for (let i = 0; i < 20; i++) {
          await runtime.call(method, randomBytes(seed * 1_000 + i, i * 7)).catch(error => {
            if (!(error instanceof StatusError)) throw error;
          });
        }
      }
      runtime.socket.write(randomBytes(seed, 10_000));
      runtime.socket.destroySoon();
    }
    const runtime = await serving();
    expect(await world.agentHttp('/healthz')).to.equal('ok\n');
    expect(await world.metric('process_resident_memory_bytes')).to.be.lessThan(300e6);
    runtime.socket.destroy();
  });

  it('others are not affected: pods of a real runtime get their NICs afterwards', async () => {
    server.close();
    for (const runtime of all) runtime.socket.destroy();
    await world.node.startContainerd();
    await until(() => world.log.some(({ runtime }) => String(runtime).startsWith('containerd')), {
      what: 'the agent registering with containerd',
      timeout: 60_000,
    });
    const running = await world.runSandbox(await world.createPod('honest', allocation(51)));
    await until(async () => (await world.inPod(running)).links.some(({ name }) => name === 'eth-ovn'), {
      what: 'an honest pod having its NIC',
      timeout: 60_000,
      interval: 20,
    });
    await world.clear();
  });
});
