import { expect } from 'chai';
import {
  componentNamespace,
  nodeAgentsAnnotation,
  nriModeLabel,
  shareNamespace,
} from '../../../api/names.ts';
import { derivedServiceName } from '../../../api/object-names.ts';
import { endpointSlices, leases, pods, serviceExports } from '../../../api/resource.ts';
import {
  type ClusterSet,
  joinable,
  type RunningSyncer,
  sharedClusterSet,
  startSyncer,
} from './cluster-set.ts';
import {
  addressesOf,
  endpoint,
  eventually,
  exportService,
  makeNamespace,
  makeService,
  writeSlice,
} from './objects.ts';

describe('a syncer that publishes secondary addresses', function () {
  this.timeout(180_000);
  const ns = 'secondary';
  let set: ClusterSet;
  let syncers: RunningSyncer[] = [];

  before(async function () {
    this.timeout(180_000);
    set = await sharedClusterSet();
    // Another file may have made them leave.
    const [one, two] = await Promise.all([
      joinable(set.hub, set.cluster1, 'cluster1', set.directory),
      joinable(set.hub, set.cluster2, 'cluster2', set.directory),
    ]);
    syncers = [startSyncer(one, { addresses: 'secondary', 'node-agents': 'true' }), startSyncer(two)];
    await Promise.all([makeNamespace(set.cluster1.client, ns), makeNamespace(set.cluster2.client, ns)]);
  });
  after(async () => {
    const stopped = await Promise.allSettled(syncers.map(syncer => syncer.stop()));
    for (const result of stopped) if (result.status === 'rejected') throw result.reason;
  });

  async function makePod(name: string): Promise<string> {
    const pod = await set.cluster1.client.create(pods, {
      metadata: { namespace: ns, name },
      spec: { containers: [{ name: 'main', image: 'none' }] },
    });
    return pod.metadata.uid ?? '';
  }

  /** As ovn-controller does. */
  async function give(name: string, address: string | null): Promise<void> {
    const allocated = address === null ? null : 'true';
    await set.cluster1.client.patch(
      pods,
      { namespace: ns, name },
      {
        contentType: 'application/merge-patch+json',
        body: {
          metadata: {
            annotations: { 'nauti.io/ip_address': address, 'nauti.io/allocated': allocated },
          },
        },
      },
    );
  }

  /** What kube-proxy of the exporting cluster serves for the VIP. */
  async function servedByVip(): Promise<string[]> {
    const found: string[] = [];
    const labelSelector = `kubernetes.io/service-name=${derivedServiceName(ns, 'web')}`;
    for await (const { items } of set.cluster1.client.listPages(endpointSlices, {
      namespace: ns,
      labelSelector,
    }))
      for (const slice of items as unknown as { endpoints?: { addresses: string[] }[] }[])
        found.push(...(slice.endpoints ?? []).flatMap(({ addresses }) => addresses));
    return found.sort();
  }

  const answered = () => addressesOf(set.cluster2.client, ns, 'web');

  it('follows the address of a pod, and never gives one that is another pod’s', async () => {
    const { client } = set.cluster1;
    await makeService(client, ns, 'web');
    const uids = [await makePod('web-0'), await makePod('web-1')];
    await writeSlice(client, ns, 'web', 'web-abc', {
      endpoints: uids.map((uid, i) => ({
        ...endpoint(`10.1.9.${i}`),
        targetRef: { kind: 'Pod', namespace: ns, name: `web-${i}`, uid },
      })),
    });
    await give('web-0', '10.113.0.10');
    await exportService(client, ns, 'web');
    await eventually('the address of the pod that has one', answered, ['10.113.0.10']);
    await give('web-1', '10.113.0.11');
    await eventually('the other address too', answered, ['10.113.0.10', '10.113.0.11']);
    // In its own cluster names are answered alike; the VIP leads to all endpoints, by the addresses of the cluster.
    const answeredAtHome = () => addressesOf(set.cluster1.client, ns, 'web');
    await eventually('the same at home', answeredAtHome, ['10.113.0.10', '10.113.0.11']);
    await eventually('the VIP at home', servedByVip, ['10.1.9.0', '10.1.9.1']);
    await give('web-1', '10.113.0.12');
    await eventually('the new address', answered, ['10.113.0.10', '10.113.0.12']);
    await give('web-0', null);
    await eventually('the address being gone', answered, ['10.113.0.12']);
    expect(await servedByVip()).to.deep.equal(['10.1.9.0', '10.1.9.1']);

    // Another pod takes the name; the slice still means the earlier one.
    await client.request({
      method: 'DELETE',
      path: `/api/v1/namespaces/${ns}/pods/web-1`,
      body: { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 },
    });
    await eventually('nothing being left', answered, []);
    expect(await makePod('web-1')).to.not.equal(uids[1]);
    await give('web-1', '10.113.0.13');
    await give('web-0', '10.113.0.14');
    await eventually('only the pod that is meant', answered, ['10.113.0.14']);

    await client.delete(serviceExports, { namespace: ns, name: 'web' });
    await eventually('nothing being left of the VIP', servedByVip, []);
  });

  it('tells the hub of its node agents, and how they learn of pods', async () => {
    const { client } = set.cluster1;
    const namespace = componentNamespace;
    const labels = { 'app.kubernetes.io/part-of': 'nauti', 'app.kubernetes.io/component': 'nri' };
    const agent = (name: string, mode?: string) =>
      client.create(pods, {
        metadata: { namespace, name, labels: { ...labels, ...(mode && { [nriModeLabel]: mode }) } },
        spec: { containers: [{ name: 'nri', image: 'none' }] },
      });
    const told = (text: string) =>
      eventually(
        `the lease telling ${text}`,
        async () => {
          const lease = await set.hub.client.get(leases, { namespace: shareNamespace, name: 'cluster1' });
          return lease?.metadata.annotations?.[nodeAgentsAnnotation];
        },
        text,
      );
    await told('{"nri":0,"cri":0,"none":0}');
    await Promise.all([agent('nri-a', 'nri'), agent('nri-b', 'cri'), agent('nri-c')]);
    await told('{"nri":1,"cri":1,"none":1}');
    await client.delete(pods, { namespace, name: 'nri-b' });
    await told('{"nri":1,"cri":0,"none":1}');
  });
});
