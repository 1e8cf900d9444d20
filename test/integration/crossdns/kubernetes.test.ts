import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { KubeObject } from '../../../api/meta.ts';
import { hubLabels } from '../../../api/names.ts';
import { configMaps, endpointSlices, namespaces, serviceImports } from '../../../api/resource.ts';
import { importOf, sliceOf } from '../../../crossdns/served.fixture.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { installCrds } from '../install-crds.ts';
import { ServerProcess } from './server.ts';

const kubectlNauti = fileURLToPath(new URL('../../../cli/kubectl-nauti.ts', import.meta.url));
const name = 'web.demo.svc.hyperos.local A';

describe('crossdns over a real API server', function () {
  this.timeout(180_000);
  let directory = '';
  let plane: ControlPlane;
  let client: KubeClient;
  const servers: ServerProcess[] = [];

  before(async function () {
    this.timeout(180_000);
    directory = await mkdtemp(join(tmpdir(), 'nauti-crossdns-'));
    plane = await startControlPlane({ directory });
    client = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
    for (const name of ['demo', 'syncer-operator']) {
      await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
  });

  after(async () => {
    await Promise.all(servers.map(server => server.stop()));
    client?.close();
    await plane?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function start(...args: string[]): Promise<ServerProcess> {
    const { kubeconfig } = plane;
    const server = await ServerProcess.start('--cluster-id', 'cluster1', '--kubeconfig', kubeconfig, ...args);
    servers.push(server);
    return server;
  }

  /** A slice as the API server takes it. */
  const slice = (...args: Parameters<typeof sliceOf>): KubeObject => {
    const { metadata, ...rest } = sliceOf(...args);
    return { ...rest, metadata: { ...metadata, name: `${metadata.name}` } };
  };

  it('is not ready without ServiceImports, and becomes so when their CRD comes', async () => {
    const server = await start();
    await server.logged('ServiceImports cannot be read yet');
    expect(await server.data(name)).to.equal('SERVFAIL');
    await installCrds(client);
    await server.logged('all sources read, answering');
    await server.becomes(name, 'NXDOMAIN');
    expect(await server.stop()).to.equal(0);
  });

  it('follows ServiceImports and EndpointSlices of any MCS implementation', async () => {
    const server = await start();
    await server.logged('all sources read, answering');
    const imported = importOf('demo/web', { ips: ['10.96.80.10'], ports: ['http/tcp:80'] });
    await client.create(serviceImports, imported);
    await server.becomes('web.demo.svc.clusterset.local A', ['10.96.80.10']);
    const first = slice('demo/web', 'cluster1', ['10.113.0.1', '!10.113.0.2'], { ports: ['http/tcp:80'] });
    await client.create(endpointSlices, first);
    await server.becomes(name, ['10.113.0.1']);
    await client.create(endpointSlices, slice('demo/web', 'cluster2', ['10.114.0.1']));
    await server.becomes(name, ['10.113.0.1', '10.114.0.1']);
    await client.apply(
      endpointSlices,
      slice('demo/web', 'cluster1', ['10.113.0.1', '10.113.0.2'], { ports: ['http/tcp:80'] }),
      { fieldManager: 'test', force: true },
    );
    await server.becomes(name, ['10.113.0.1', '10.113.0.2', '10.114.0.1']);
    await client.delete(endpointSlices, { namespace: 'demo', name: 'web-cluster2' });
    await server.becomes(`cluster2.${name}`, 'NXDOMAIN');
    await client.delete(serviceImports, { namespace: 'demo', name: 'web' });
    await server.becomes('web.demo.svc.clusterset.local A', 'NXDOMAIN');
    await client.delete(endpointSlices, { namespace: 'demo', name: 'web-cluster1' });
    await server.becomes(name, 'NXDOMAIN');
  });

  it('takes slices with the labels of the contract, in the local namespace only', async () => {
    const server = await start();
    const labelled = (namespace: string) => {
      const { metadata, ...rest } = slice(`${namespace}/x`, 'cluster2', ['10.114.2.7']);
      const labels = {
        [hubLabels.serviceName]: 'ledger',
        [hubLabels.serviceNamespace]: 'billing',
        [hubLabels.clusterId]: 'cluster2',
      };
      return { ...rest, metadata: { ...metadata, labels } };
    };
    await client.create(endpointSlices, labelled('demo'));
    await client.create(endpointSlices, labelled('syncer-operator'));
    await server.becomes('ledger.billing.svc.hyperos.local A', ['10.114.2.7']);
    await client.delete(endpointSlices, { namespace: 'syncer-operator', name: 'x-cluster2' });
    await server.becomes('ledger.billing.svc.hyperos.local A', 'NXDOMAIN');
  });

  it('answers from its snapshot while the API server is away, and catches up when it is back', async () => {
    await client.create(endpointSlices, slice('demo/kept', 'cluster1', ['10.113.0.7']));
    await client.create(endpointSlices, slice('demo/lost', 'cluster1', ['10.113.0.8']));
    const snapshot = join(directory, 'snapshot');
    const first = await start('--snapshot', snapshot);
    await first.becomes('lost.demo.svc.hyperos.local A', ['10.113.0.8']);
    expect(await first.stop()).to.equal(0);

    await client.delete(endpointSlices, { namespace: 'demo', name: 'lost-cluster1' });
    await plane.killApiServer();
    const second = await start('--snapshot', snapshot);
    await second.logged('answering from the snapshot until the sources are read');
    expect(await second.data('kept.demo.svc.hyperos.local A')).to.eql(['10.113.0.7']);
    expect(await second.data('lost.demo.svc.hyperos.local A')).to.eql(['10.113.0.8']);
    await second.logged('answers may be stale');

    await plane.startApiServer();
    await second.logged('all sources read, answering');
    expect(await second.data('kept.demo.svc.hyperos.local A')).to.eql(['10.113.0.7']);
    expect(await second.data('lost.demo.svc.hyperos.local A')).to.equal('NXDOMAIN');
    await second.logged('answers are fresh again');
  });

  it('is put into the DNS of the cluster and taken out again by kubectl nauti dns', async () => {
    const corefile = '.:53 {\n    errors\n    forward . /etc/resolv.conf\n    reload\n}\n';
    const metadata = { namespace: 'kube-system', name: 'coredns' };
    await client.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata,
      data: { Corefile: corefile, other: 'x' },
    });
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [kubectlNauti, 'dns', ...args, '--kubeconfig', plane.kubeconfig], {
        encoding: 'utf8',
      });
    const read = async () => (await client.get(configMaps, metadata))?.data as Record<string, string>;
    expect(run('enable').stderr).to.contain('Cannot find crossdns');
    expect(run('enable', '--address', '10.96.0.11', '--dry-run').stdout).to.contain('would change Corefile');
    expect(await read()).to.eql({ Corefile: corefile, other: 'x' });
    expect(run('enable', '--address', '10.96.0.11')).to.include({ status: 0, stderr: '' });
    expect((await read()).Corefile)
      .to.contain('clusterset.local:53 {')
      .and.contain('forward . 10.96.0.11');
    expect(run('enable', '--address', '10.96.0.11').stdout).to.equal('nothing to change\n');
    expect(run('disable')).to.include({ status: 0 });
    expect(await read()).to.eql({ Corefile: corefile, other: 'x' });
  });
});
