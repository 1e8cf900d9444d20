import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { tryRun } from '../../lab/command.ts';
import { type ControlPlane, startControlPlane } from '../../lab/control-plane.ts';
import { toolPath } from '../../lab/tools.ts';
import { until } from '../../lab/until.ts';
import { type Chart, chartPath, helm, required, setArguments, type Values } from './helm.ts';

/** A real API server with its garbage collector, without nodes: objects are made, pods never run. */
describe('charts on a real API server', function () {
  this.timeout(180_000);
  let directory = '';
  let plane: ControlPlane;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nauti-helm-'));
    plane = await startControlPlane({ directory, controllerManager: true });
  });

  after(async () => {
    await plane?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function kubectl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await tryRun(toolPath('kubectl'), [
      '--kubeconfig',
      plane.kubeconfig,
      ...args,
    ]);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  }

  const release = (...args: string[]) =>
    helm(...args, '--kubeconfig', plane.kubeconfig, '--namespace', 'nauti-system');

  async function install(chart: Chart, values: Values, ...more: string[]): Promise<string> {
    const target = [
      'install',
      chart,
      chartPath(chart),
      '--create-namespace',
      ...setArguments(values),
      ...more,
    ];
    const { code, stdout, stderr } = await release(...target);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  /** No pod runs here, so the Job that leaves the hub could not either. */
  async function uninstall(chart: Chart): Promise<void> {
    const { code, stderr } = await release('uninstall', chart, '--no-hooks');
    if (code !== 0) throw new Error(stderr);
    if (chart === 'nauti') await gone('namespace/syncer-operator');
  }

  async function gone(object: string): Promise<void> {
    await kubectl('wait', '--for=delete', object, '--timeout=60s');
  }

  /** Everything that carries our labels, by kind and name. */
  async function ours(): Promise<string[]> {
    const kinds = (await kubectl('api-resources', '--verbs=list,delete', '--output=name')).split('\n');
    const listed = await kubectl(
      ...['get', kinds.filter(kind => !kind.startsWith('events')).join(',')],
      ...[
        '--all-namespaces',
        '--selector=app.kubernetes.io/part-of=nauti',
        '--output=name',
        '--ignore-not-found',
      ],
    );
    return listed.split('\n').filter(Boolean);
  }

  const isCrd = (name: string) => name.startsWith('customresourcedefinition');

  it('are taken whole by its validation, with all that can be switched on', async () => {
    const values = {
      'networkPolicy.enabled': true,
      'networkPolicy.metricsFrom': [{ namespaceSelector: {} }],
    };
    for (const chart of ['nauti', 'nauti-agent'] as const) {
      // Helm itself would create the namespace only when it installs in earnest.
      await kubectl('create', 'namespace', 'nauti-system').catch(() => '');
      const dryRun = ['--dry-run=server', ...setArguments({ ...required[chart], ...values })];
      const { code, stderr } = await release('install', chart, chartPath(chart), ...dryRun);
      expect(code, stderr).to.equal(0);
    }
    expect(await ours()).to.deep.equal([]);
  });

  it('take IPv6 addresses and two families where the cluster has them not, with the API server’s own words', async () => {
    const values = { ...required['nauti-agent'], 'crossdns.clusterIP': 'fd00:10:96::b' };
    const message = await install('nauti-agent', values).catch(error => String(error));
    expect(message).to.contain('Service "nauti-crossdns" is invalid').and.to.contain('spec.clusterIPs[0]');
    await uninstall('nauti-agent');
    await gone('namespace/syncer-operator');
  });

  it('live in one cluster, whichever came first, and say what to do for it', async () => {
    await install('nauti-agent', required['nauti-agent']);
    expect(await install('nauti', {}).catch(error => String(error))).to.contain(
      'the namespace syncer-operator is the chart nauti-agent\'s: run "helm upgrade nauti-agent … --reset-then-reuse-values --set cluster.hub=true" first',
    );
    const { code } = await release(
      ...['upgrade', 'nauti-agent', chartPath('nauti-agent'), '--reuse-values', '--set', 'cluster.hub=true'],
    );
    expect(code).to.equal(0);
    await gone('namespace/syncer-operator');
    await install('nauti', { 'hub.hubURL': 'https://198.51.100.10:6443' });
    await uninstall('nauti-agent');

    expect(await install('nauti-agent', required['nauti-agent']).catch(error => String(error))).to.contain(
      "the namespace syncer-operator is the hub chart's: add --set cluster.hub=true, which says that this cluster is also the hub",
    );
    await install('nauti-agent', { ...required['nauti-agent'], 'cluster.hub': true });
    const address = [
      'get',
      'service',
      'nauti-crossdns',
      '-n',
      'nauti-system',
      '-o',
      'jsonpath={.spec.clusterIP}',
    ];
    expect(await kubectl(...address)).to.equal('10.96.0.11');
  });

  it('say so where the share namespace is still ending', async () => {
    await kubectl('create', 'namespace', 'ending');
    await kubectl('create', 'configmap', 'held', '-n', 'ending');
    const finalizers = (names: readonly string[]) =>
      kubectl(
        ...['patch', 'configmap', 'held', '-n', 'ending', '--type=merge', '-p'],
        JSON.stringify({ metadata: { finalizers: names } }),
      );
    await finalizers(['example.com/held']);
    await kubectl('delete', 'namespace', 'ending', '--wait=false');
    const values = { ...required.nauti, 'cluster.sharenamespace': 'ending' };
    const error = await install('nauti', values, '--dry-run=server').catch((error: unknown) => error);
    expect(String(error)).to.contain('Cannot install as the namespace ending must not be ending: it is');
    await finalizers([]);
    await gone('namespace/ending');
  });

  it('keep over an upgrade what the components wrote, and need no token for it', async () => {
    const identity = ['secret', 'nauti-hub-identity', '-n', 'nauti-system'];
    await kubectl('patch', ...identity, '--type=merge', '--patch', '{"data":{"identity.json":"e30="}}');
    const lease = ['lease', 'nauti-syncer', '-n', 'nauti-system'];
    await kubectl('patch', ...lease, '--type=merge', '--patch', '{"spec":{"holderIdentity":"a"}}');
    const values = { 'cluster.clusterID': 'cluster1', 'cluster.hub': true, 'syncer.replicas': 3 };
    const { code, stderr } = await release(
      'upgrade',
      'nauti-agent',
      chartPath('nauti-agent'),
      ...setArguments(values),
    );
    expect(code, stderr).to.equal(0);
    expect(await kubectl('get', ...identity, '-o', 'jsonpath={.data.identity\\.json}')).to.equal('e30=');
    expect(await kubectl('get', ...lease, '-o', 'jsonpath={.spec.holderIdentity}')).to.equal('a');
    expect(
      await kubectl(
        'get',
        'deployment',
        'nauti-syncer',
        '-n',
        'nauti-system',
        '-o',
        'jsonpath={.spec.replicas}',
      ),
    ).to.equal('3');
  });

  it('allow the components what they do, and not what they do not', async () => {
    const can = async (account: string, ...question: string[]) => {
      const as = `--as=system:serviceaccount:nauti-system:${account}`;
      const { stdout } = await tryRun(toolPath('kubectl'), [
        '--kubeconfig',
        plane.kubeconfig,
        'auth',
        'can-i',
        ...question,
        as,
      ]);
      return stdout.trim();
    };
    const questions: readonly (readonly [string, readonly string[], 'yes' | 'no'])[] = [
      ['nauti-crossdns', ['list', 'endpointslices', '--all-namespaces'], 'yes'],
      ['nauti-crossdns', ['get', 'secrets', '-n', 'nauti-system'], 'no'],
      ['nauti-crossdns', ['patch', 'endpointslices', '--all-namespaces'], 'no'],
      ['nauti-syncer', ['patch', 'serviceimports.multicluster.x-k8s.io/status', '--all-namespaces'], 'yes'],
      ['nauti-syncer', ['patch', 'secrets/nauti-hub-identity', '-n', 'nauti-system'], 'yes'],
      ['nauti-syncer', ['get', 'secrets/other', '-n', 'nauti-system'], 'no'],
      ['nauti-syncer', ['list', 'secrets', '-n', 'nauti-system'], 'no'],
      ['nauti-syncer', ['update', 'leases/nauti-syncer', '-n', 'nauti-system'], 'yes'],
      ['nauti-syncer', ['update', 'leases/other', '-n', 'nauti-system'], 'no'],
      ['nauti-syncer', ['create', 'pods', '-n', 'nauti-system'], 'no'],
      ['nauti-hub', ['create', 'peers.octopus.io', '-n', 'syncer-operator'], 'yes'],
      ['nauti-hub', ['get', 'secrets', '-n', 'syncer-operator'], 'no'],
      ['nauti-hub', ['create', 'peers.octopus.io', '-n', 'default'], 'no'],
    ];
    for (const [account, question, answer] of questions) {
      expect(await can(account, ...question), `${account} ${question.join(' ')}`).to.equal(answer);
    }
  });

  it('leave nothing but the CRDs when they are uninstalled', async () => {
    for (const chart of ['nauti-agent', 'nauti'] as const) await uninstall(chart);
    await until(async () => (await ours()).every(isCrd), {
      what: 'all objects of the charts being gone',
      timeout: 60_000,
      detail: async () => (await ours()).filter(name => !isCrd(name)).join(' '),
    });
    expect(await ours()).to.have.length(4);
    expect(
      await kubectl('get', 'secrets,leases,serviceaccounts', '-n', 'nauti-system', '-o', 'name'),
    ).to.equal('serviceaccount/default');
  });
});
