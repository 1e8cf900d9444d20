/** The control plane that the tests of this folder share, and what they clean up. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { namespaces } from '../../../api/resource.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { FaultProxy } from './fault-proxy.ts';

export interface TestPlane {
  readonly controlPlane: ControlPlane;
  /** Straight to the API server, as an administrator. */
  readonly admin: KubeClient;
  /** Closed by {@link closeAll}. */
  proxy(): Promise<FaultProxy>;
  /** Through a proxy, or straight; closed by {@link closeAll}. */
  client(proxy?: FaultProxy): Promise<KubeClient>;
  /** A fresh namespace. */
  namespace(): Promise<string>;
  /** Closes the proxies and clients of one test. */
  closeAll(): Promise<void>;
}

/** Suites that use the plane and have not ended. */
let users = 0;
let shared: Promise<{ test: TestPlane; stop(): Promise<void> }> | undefined;

/**
 * Call it inside of a `describe`: the first suite starts the plane, the last one stops it.
 *
 * @returns what gives the plane to hooks and tests.
 */
export function useTestPlane(): () => TestPlane {
  users++;
  let test: TestPlane | undefined;
  before(async function () {
    this.timeout(180_000);
    shared ??= startTestPlane();
    test = (await shared).test;
  });
  after(async () => {
    await test?.closeAll();
    if (--users === 0) await stopShared();
  });
  return () => test as TestPlane;
}

// Suites that were filtered out never end.
after(stopShared);

async function stopShared(): Promise<void> {
  await (await shared)?.stop();
  shared = undefined;
}

async function startTestPlane(): Promise<{ test: TestPlane; stop(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'nauti-kube-'));
  const controlPlane = await startControlPlane({ directory });
  const admin = new KubeClient(await kubeconfigAccess(controlPlane.kubeconfig));
  let proxies: FaultProxy[] = [];
  let clients: KubeClient[] = [];
  let count = 0;
  const closeAll = async () => {
    for (const client of clients) client.close();
    await Promise.all(proxies.map(proxy => proxy.close()));
    clients = [];
    proxies = [];
  };
  const test: TestPlane = {
    controlPlane,
    admin,
    closeAll,
    async proxy() {
      const proxy = await FaultProxy.start(controlPlane.kubeconfig);
      proxies.push(proxy);
      return proxy;
    },
    async client(proxy) {
      const client = new KubeClient(proxy?.access ?? (await kubeconfigAccess(controlPlane.kubeconfig)));
      clients.push(client);
      return client;
    },
    async namespace() {
      const name = `test-${++count}`;
      await admin.create(namespaces, { metadata: { name } });
      return name;
    },
  };
  return {
    test,
    async stop() {
      await closeAll();
      admin.close();
      await controlPlane.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
