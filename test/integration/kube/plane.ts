/** The control plane that the tests of one file share, and what they clean up. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { namespaces } from '../../../api/resource.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { FaultProxy } from './fault-proxy.ts';

export interface TestPlane {
  readonly plane: ControlPlane;
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
  stop(): Promise<void>;
}

export async function startTestPlane(): Promise<TestPlane> {
  const directory = await mkdtemp(join(tmpdir(), 'nauti-kube-'));
  const plane = await startControlPlane({ directory });
  const admin = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
  let proxies: FaultProxy[] = [];
  let clients: KubeClient[] = [];
  let count = 0;
  const closeAll = async () => {
    for (const client of clients) client.close();
    await Promise.all(proxies.map(proxy => proxy.close()));
    clients = [];
    proxies = [];
  };
  return {
    plane,
    admin,
    closeAll,
    async proxy() {
      const proxy = await FaultProxy.start(plane.kubeconfig);
      proxies.push(proxy);
      return proxy;
    },
    async client(proxy) {
      const client = new KubeClient(proxy?.access ?? (await kubeconfigAccess(plane.kubeconfig)));
      clients.push(client);
      return client;
    },
    async namespace() {
      const name = `test-${++count}`;
      await admin.create(namespaces, { metadata: { name } });
      return name;
    },
    async stop() {
      await closeAll();
      admin.close();
      await plane.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
