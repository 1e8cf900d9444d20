import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Cluster } from '../../demo/cluster.ts';
import { curlNginx, exportNginx } from '../../demo/example.ts';
import type { NautiImage } from '../../demo/image.ts';
import { installHub, joinCluster } from '../../demo/install.ts';
import { Journal } from '../../demo/journal.ts';
import { kubectlNauti } from '../../demo/kubectl-nauti.ts';
import { run } from '../../lab/command.ts';
import { serverUrl } from '../../lab/control-plane-plan.ts';
import { runningTopology } from '../../lab/registry.ts';
import { checkout, toolDirectory } from '../../lab/tools.ts';
import { clusterNamed } from '../../lab/topology.ts';
import { until } from '../../lab/until.ts';
import { stateOfNode } from './node-state.ts';

const release = ['-n', 'nauti-system'];

/** Upgrades, uninstalls and installs again what the demo has installed, and leaves it as it was. */
describe('the charts on real clusters', function () {
  this.timeout(900_000);
  const stop = new AbortController();
  let directory = '';
  let journal: Journal;
  let hub: Cluster;
  let first: Cluster;
  let second: Cluster;
  let image: NautiImage;
  let url = '';
  const given = new Map<string, string>();
  const installed = new Map<string, Awaited<ReturnType<typeof stateOfNode>>>();

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nauti-charts-'));
    journal = new Journal(join(directory, 'log'));
    const cluster = (name: string) => new Cluster(name, journal, stop.signal);
    [hub, first, second] = [cluster('hub'), cluster('cluster1'), cluster('cluster2')];
    url = serverUrl(clusterNamed(await runningTopology(), 'hub'));
    image = await installedImage(first);
    await exportNginx(first);
  });

  after(async () => {
    stop.abort();
    await journal.close();
    await rm(directory, { recursive: true, force: true });
  });

  async function installedImage(cluster: Cluster): Promise<NautiImage> {
    const values = JSON.parse(
      await cluster.helm(['get', 'values', 'nauti-agent', ...release, '-o', 'json']),
    ) as {
      image: { repository: string; tag: string };
      podAnnotations: Record<string, string>;
    };
    return { ...values.image, id: values.podAnnotations['nauti.io/image'] ?? '', archive: '' };
  }

  /** All that the charts and the components have made in a cluster, but the CRDs. */
  async function leftovers(cluster: Cluster): Promise<string[]> {
    const resources = await cluster.kubectl(['api-resources', '--verbs=list', '-o', 'name']);
    const listed = await cluster.kubectl([
      ...[
        'get',
        resources
          .trim()
          .split('\n')
          .filter(name => !/^(events|customresourcedefinitions|apiservices)/.test(name))
          .join(),
      ],
      ...['-A', '--ignore-not-found', '-o'],
      'jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.labels} {.metadata.finalizers}{"\\n"}{end}',
    ]);
    return listed
      .split('\n')
      .filter(line =>
        /nauti|derived-|syncer-operator|\.octopus\.io/.test(line.replace(/^Namespace \/nauti-system .*/, '')),
      );
  }

  const isOurs = (line: string) =>
    !line.startsWith('ServiceAccount nauti-system/default') &&
    !line.startsWith('ConfigMap nauti-system/kube-root-ca.crt');

  async function nothingLeft(cluster: Cluster): Promise<void> {
    const left = async () => (await leftovers(cluster)).filter(isOurs);
    await until(async () => (await left()).length === 0, {
      what: `nothing being left in ${cluster.name}`,
      timeout: 180_000,
      interval: 1_000,
      detail: async () => (await left()).join('; '),
    });
  }

  /** What the hub has given a cluster, as the chart takes it. */
  async function cidrsOf(id: string): Promise<string> {
    const words = ['get', 'peer', id, '-n', 'syncer-operator', '-o', 'json'];
    const { spec } = JSON.parse(await hub.kubectl(words)) as { spec: { cluster_cidr: string[] } };
    return spec.cluster_cidr.join();
  }

  it('finds leftovers where there are some', async () => {
    const found = (await leftovers(first)).join('\n');
    expect(found)
      .to.contain('ServiceExport default/nginx-svc')
      .and.to.contain('ServiceImport default/nginx-svc')
      .and.to.contain('Deployment nauti-system/nauti-syncer');
  });

  it('upgrade without a token, and the cluster stays the member that it was', async () => {
    const identity = ['get', 'secret', 'nauti-hub-identity', ...release, '-o', 'jsonpath={.data}'];
    const before = await first.kubectl(identity);
    expect(before).to.contain('identity.json');
    await first.helm([
      ...['upgrade', 'nauti-agent', join(checkout, 'helm', 'nauti-agent'), ...release],
      ...['--reset-then-reuse-values', '--set', 'hub.bootstraptoken=', '--set', 'logLevel=debug'],
    ]);
    await first.rolledOut('nauti-system', ['nauti-syncer', 'nauti-crossdns']);
    expect(await first.kubectl(identity)).to.equal(before);
    expect(await curlNginx(second)).to.contain('Welcome to nginx!');
  });

  it('leave a cluster as it was, but for the CRDs and what people made, and the hub without its exports', async () => {
    for (const node of ['cluster1-node1', 'cluster1-node2']) installed.set(node, await stateOfNode(node));
    await first.helm(['uninstall', 'nauti-agent', ...release]);
    await nothingLeft(first);
    const crds = await first.kubectl(['get', 'crd', '-o', 'name']);
    expect(crds).to.contain('serviceexports.multicluster.x-k8s.io');
    // People's own: it stays, and may be deleted, as no finalizer holds it.
    const finalizers = [
      'get',
      'serviceexport',
      'nginx-svc',
      '-n',
      'default',
      '-o',
      'jsonpath={.metadata.finalizers}',
    ];
    expect(await first.kubectl(finalizers)).to.equal('');
    const ofCluster = [
      '-n',
      'syncer-operator',
      '-l',
      'services.nauti.io/multi-cluster-cluster-ID=cluster1',
      '-o',
      'name',
    ];
    expect(await hub.kubectl(['get', 'exportedservices,endpointslices,leases', ...ofCluster])).to.equal('');
  });

  it('leave its nodes like one that never had a second network', async () => {
    const untouched = await stateOfNode('hub-node1');
    expect(untouched.devices).to.include('eth1');
    for (const node of ['cluster1-node1', 'cluster1-node2']) {
      expect(installed.get(node), node).to.not.deep.equal(untouched);
      expect(await stateOfNode(node), node).to.deep.equal(untouched);
    }
  });

  it('leave addresses on pods and nodes, which the loop of the README takes away', async () => {
    const readme = await readFile(join(checkout, 'helm', 'README.md'), 'utf8');
    const loop = /```sh\n(kubectl get pods --all-namespaces[^`]+)```/.exec(readme)?.[1] ?? '';
    const annotations = async () =>
      [
        await first.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[*].metadata.annotations}']),
        await first.kubectl(['get', 'pods', '-A', '-o', 'jsonpath={.items[*].metadata.annotations}']),
      ].map(text => [...text.matchAll(/"nauti\.io\/\w+"/g)].length);
    for (const count of await annotations()) expect(count).to.be.greaterThan(4);
    const PATH = `${toolDirectory}:${process.env.PATH}`;
    await run('sh', ['-euc', loop], { env: { KUBECONFIG: first.kubeconfig, PATH } });
    expect(await annotations()).to.deep.equal([0, 0]);
  });

  it('make the hub a member too, and take that back without touching what clusters share', async () => {
    await Promise.all([
      joinCluster(first, { hub, url, image }),
      joinCluster(hub, { hub, url, image, id: 'central' }),
    ]);
    await exportNginx(first);
    // Nobody asked for it.
    expect(await cidrsOf('central')).to.match(/^10\.1(1[2-9]|2[0-7])\.0\.0\/16,fd00:10:110:.*\/64$/);
    await hub.kubectl([
      'wait',
      'serviceimport/nginx-svc',
      '-n',
      'default',
      '--for=condition=Ready',
      '--timeout=180s',
    ]);
    const shared = ['get', 'endpointslices,exportedservices', '-n', 'syncer-operator', '-o', 'name'];
    const before = await hub.kubectl(shared);
    expect(before).to.contain('cluster1-default-nginx-svc');
    await hub.helm(['uninstall', 'nauti-agent', ...release]);
    expect(await hub.kubectl(shared)).to.equal(before);
    await kubectlNauti(hub, ['remove', 'central', '--yes']);
    expect(await hub.kubectl(['get', 'peers', '-n', 'syncer-operator', '-o', 'name'])).to.not.contain(
      'central',
    );
    expect(await curlNginx(second)).to.contain('Welcome to nginx!');
  });

  it('leave the hub as it was', async () => {
    for (const member of [first, second]) given.set(member.name, await cidrsOf(member.name));
    await hub.helm(['uninstall', 'nauti', ...release]);
    await nothingLeft(hub);
  });

  it('are installed again, and members of the hub that was lost join the new one', async () => {
    await installHub(hub, { url, image });
    // Not in the order of their CIDRs, in which a hub that knows nothing gives them.
    await Promise.all([second, first].map(member => joinCluster(member, { hub, url, image })));
    for (const { name } of [first, second]) expect(await cidrsOf(name), name).to.equal(given.get(name));
    expect(await curlNginx(second)).to.contain('Welcome to nginx!');
  });
});
