/** A real API server, real OVN databases, proxies before both, and our controllers between them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Endpoint, type OvsdbClient, Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { Registry } from 'prom-client';
import type { KubeObject } from '../../../api/meta.ts';
import { events, namespaces, pods } from '../../../api/resource.ts';
import { parseCidr } from '../../../ipam/cidr.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { until } from '../../../lab/until.ts';
import { OvnController, type OvnControllerOptions } from '../../../ovn-controller/controller.ts';
import type { NetworkMode } from '../../../ovn-controller/network.ts';
import { fixedNetwork } from '../../../ovn-controller/network-source.ts';
import { Northbound } from '../../../ovn-controller/northbound.ts';
import { OvsdbProxy } from '../../../ovsdb-client/testing/proxy.ts';
import { type Logger, silentLogger } from '../../../process/log.ts';
import { installCrds } from '../install-crds.ts';
import { FaultProxy } from '../kube/fault-proxy.ts';
import { findFaults, type PortFacts } from './find-faults.ts';
import { type Ovn, startOvn } from './ovn.ts';

export const systemNamespace = 'nauti-system';
export const gatewayAccount = `${systemNamespace}/nauti-octopus`;

/** A controller of ours that leads, and how to end it. */
export interface RunningController {
  readonly controller: OvnController;
  readonly registry: Registry;
  /** Between it and OVN. */
  readonly ovnProxy: OvsdbProxy;
  /** Between it and the API server. */
  readonly apiProxy: FaultProxy;
  stop(): Promise<void>;
}

export class World implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly ovn: Ovn;
  /** An administrator, straight to the API server. */
  readonly admin: KubeClient;
  readonly #directory: string;
  readonly #running = new Set<RunningController>();
  #namespaces = 0;

  constructor(directory: string, plane: ControlPlane, ovn: Ovn, admin: KubeClient) {
    this.#directory = directory;
    this.plane = plane;
    this.ovn = ovn;
    this.admin = admin;
  }

  /** Starts a controller that leads from now on. */
  async start(
    options: Partial<OvnControllerOptions> & {
      readonly cidrs?: readonly string[];
      readonly globals?: readonly string[];
      readonly mode?: NetworkMode;
      /** Instead of the one database that there is, behind a proxy. */
      readonly endpoints?: readonly Endpoint[];
    } = {},
  ): Promise<RunningController> {
    const { cidrs = ['10.113.0.0/16'], globals = ['10.112.0.0/12', 'fd00:10::/32'], ...rest } = options;
    const { mode, endpoints, ...more } = rest;
    const ovnProxy = new OvsdbProxy(this.ovn.northbound.endpoint);
    const apiProxy = await FaultProxy.start(this.plane.kubeconfig);
    const client = new KubeClient(apiProxy.access);
    const northbound = new Northbound({
      endpoints: endpoints ?? [await ovnProxy.listen()],
      backoffMs: { first: 10, last: 50 },
      probeIntervalMs: 500,
      connectTimeoutMs: 2_000,
    });
    const registry = new Registry();
    const parse = (texts: readonly string[]) => texts.flatMap(text => parseCidr(text) ?? []);
    const controller = new OvnController({
      client,
      northbound,
      source: fixedNetwork(parse(cidrs), parse(globals), mode),
      identity: `test-${this.#running.size}`,
      namespace: systemNamespace,
      gatewayServiceAccount: gatewayAccount,
      cidrChange: 'refuse',
      quarantineMs: 300,
      batchSize: 500,
      concurrency: 16,
      isolation: false,
      clusterSetIp: true,
      log: testLog(),
      registry,
      ...more,
    });
    const stop = new AbortController();
    const parts = [
      controller.follow(stop.signal),
      controller.prepared(stop.signal).then(() => controller.lead(stop.signal)),
    ];
    const running: RunningController = {
      controller,
      registry,
      ovnProxy,
      apiProxy,
      stop: async () => {
        if (!this.#running.delete(running)) return;
        stop.abort(new Error('the test is over'));
        const results = await Promise.allSettled(parts);
        await northbound[Symbol.asyncDispose]();
        client.close();
        await Promise.all([ovnProxy[Symbol.asyncDispose](), apiProxy.close()]);
        for (const result of results)
          if (result.status === 'rejected' && !isEnd(result.reason)) throw result.reason;
      },
    };
    this.#running.add(running);
    return running;
  }

  async stopControllers(): Promise<void> {
    await Promise.all([...this.#running].map(running => running.stop()));
  }

  async namespace(labels: Record<string, string> = {}): Promise<string> {
    const name = `test-${++this.#namespaces}`;
    await this.admin.create(namespaces, { metadata: { name, labels } });
    return name;
  }

  createPod(
    namespace: string,
    name: string,
    more: { metadata?: object; spec?: object } = {},
  ): Promise<KubeObject> {
    return this.admin.create(pods, {
      metadata: { namespace, name, ...more.metadata },
      spec: { containers: [{ name: 'main', image: 'none' }], ...more.spec },
    });
  }

  /** @param grace 0 takes it away at once; more waits for a kubelet that is not there. */
  async deletePod(namespace: string, name: string, grace = 0): Promise<void> {
    await this.admin.request({
      method: 'DELETE',
      path: `/api/v1/namespaces/${namespace}/pods/${name}`,
      body: { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: grace },
    });
  }

  async setPhase(namespace: string, name: string, status: object): Promise<void> {
    await this.admin.patch(
      pods,
      { namespace, name },
      {
        contentType: 'application/merge-patch+json',
        subresource: 'status',
        body: { status },
      },
    );
  }

  async annotate(namespace: string, name: string, annotations: Record<string, string | null>): Promise<void> {
    await this.admin.patch(
      pods,
      { namespace, name },
      {
        contentType: 'application/merge-patch+json',
        body: { metadata: { annotations } },
      },
    );
  }

  async annotations(namespace: string, name: string): Promise<Readonly<Record<string, string>>> {
    return (await this.admin.get(pods, { namespace, name }))?.metadata.annotations ?? {};
  }

  /** Events about an object of this name, `<reason>: <note>`. */
  async eventsOf(name: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { items } of this.admin.listPages(events)) {
      for (const { regarding, reason, note } of items as (KubeObject & {
        regarding: { name: string };
        reason: string;
        note: string;
      })[]) {
        if (regarding.name === name) found.push(`${reason}: ${note}`);
      }
    }
    return found;
  }

  /** The reason for which a pod says that it has no address. */
  async refusalOf(namespace: string, name: string): Promise<string | undefined> {
    const pod = await this.admin.get(pods, { namespace, name });
    const { conditions = [] } = (pod?.status ?? {}) as { conditions?: { type: string; reason?: string }[] };
    return conditions.find(({ type }) => type === 'nauti.io/SecondaryAddress')?.reason;
  }

  /** Waits until a pod shows an allocation. @returns its annotations. */
  allocated(namespace: string, name: string, timeout = 60_000): Promise<Readonly<Record<string, string>>> {
    return until(
      async () => {
        const annotations = await this.annotations(namespace, name);
        return annotations['nauti.io/allocated'] === 'true' && annotations;
      },
      { what: `${namespace}/${name} getting an address`, timeout, interval: 20 },
    );
  }

  /** Everything in all namespaces, by `namespace/name`. */
  async allPods(): Promise<Map<string, KubeObject>> {
    const all = new Map<string, KubeObject>();
    for await (const { items } of this.admin.listPages(pods)) {
      for (const item of items) all.set(`${item.metadata.namespace}/${item.metadata.name}`, item);
    }
    return all;
  }

  async deleteAllPods(): Promise<void> {
    const spaces = new Set([...(await this.allPods()).values()].map(({ metadata }) => metadata.namespace));
    for (const namespace of spaces) {
      await this.admin.request({
        method: 'DELETE',
        path: `/api/v1/namespaces/${namespace}/pods`,
        body: { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 },
      });
    }
  }

  /** Makes pods `pod-0`…, 32 at once. @param onCreated is called when another one is there. */
  async createPods(namespace: string, count: number, onCreated: (sofar: number) => void = () => {}) {
    let [next, made] = [0, 0];
    const create = async () => {
      while (next < count) {
        await this.createPod(namespace, `pod-${next++}`);
        onCreated(++made);
      }
    };
    await Promise.all(Array.from({ length: 32 }, create));
  }

  /** All ports of OVN. */
  async ports(nb: OvsdbClient<OVNNorthboundDatabase> = this.ovn.nb): Promise<readonly PortFacts[]> {
    const transaction = new Transaction<OVNNorthboundDatabase>();
    const ports = transaction.select('Logical_Switch_Port', [], ['name', 'addresses']);
    return (await nb.transact(transaction)).rows(ports);
  }

  /** Waits until all pods have what they should have, and nothing else is in OVN. @returns the pods. */
  async settled(count: number, timeout = 60_000, nb?: OvsdbClient<OVNNorthboundDatabase>) {
    let faults: readonly string[] = [];
    return await until(
      async () => {
        const all = await this.allPods();
        faults = findFaults(all, await this.ports(nb));
        return all.size === count && faults.length === 0 && all;
      },
      {
        what: `${count} pods and their ports being right`,
        timeout,
        detail: () => `${faults.length} faults: ${faults.slice(0, 5).join('; ')}`,
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopControllers();
    this.admin.close();
    await this.ovn[Symbol.asyncDispose]();
    await this.plane.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function isEnd(reason: unknown): boolean {
  return reason instanceof Error && reason.message === 'the test is over';
}

/** Quiet, unless somebody looks for what is wrong. */
function testLog(): Logger {
  return silentLogger();
}

interface Place {
  readonly directory: string;
  readonly plane: ControlPlane;
}

/** For the next world, got ready while the present one is used: each file has one of its own, one after the other. */
let nextPlace: Promise<Place> | undefined;

async function startPlace(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'nauti-ovn-controller-'));
  return { directory, plane: await startControlPlane({ directory }) };
}

function takePlace(): Promise<Place> {
  const taken = nextPlace ?? startPlace();
  nextPlace = startPlace();
  // It fails whoever takes it.
  nextPlace.catch(() => {});
  return taken;
}

after(async () => {
  const unused = await nextPlace?.catch(() => undefined);
  await unused?.plane.stop();
  if (unused !== undefined) await rm(unused.directory, { recursive: true, force: true });
});

export async function startWorld(options: { readonly northd?: boolean } = {}): Promise<World> {
  const [{ directory, plane }, ovn] = await Promise.all([takePlace(), startOvn(options)]);
  const admin = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
  await admin.create(namespaces, { metadata: { name: systemNamespace } });
  await installCrds(admin);
  return new World(directory, plane, ovn, admin);
}
