import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { componentNamespace, managedBy, managedByLabel, shareNamespace } from '../../../api/names.ts';
import { derivedServiceName } from '../../../api/object-names.ts';
import {
  deployments,
  endpointSlices,
  exportedServices,
  leases,
  roles,
  secrets,
  serviceExports,
  serviceImports,
  services,
} from '../../../api/resource.ts';
import {
  type ClusterSet,
  joinable,
  type Member,
  type RunningSyncer,
  sharedClusterSet,
  startSyncer,
} from './cluster-set.ts';
import {
  addressesOf,
  deleteQuietly,
  endpoint,
  eventually,
  exportConditions,
  exportService,
  importedSlices,
  importWithVip,
  listAll,
  makeNamespace,
  makeService,
  namesOnHub,
  readImport,
  writeSlice,
} from './objects.ts';

const isReady = 'Valid=True/Valid Ready=True/Exported Conflict=False/NoConflicts';

describe('syncers when things break', function () {
  this.timeout(180_000);
  let set: ClusterSet;
  /** A namespace of the test's own, in both clusters. */
  let ns: string;
  let count = 0;
  let running: RunningSyncer[] = [];
  const one = () => set.cluster1.client;
  const two = () => set.cluster2.client;

  before(async function () {
    this.timeout(180_000);
    set = await sharedClusterSet();
  });

  beforeEach(async () => {
    ns = `shop-${++count}`;
    for (const client of [one(), two()]) await makeNamespace(client, ns);
  });

  afterEach(async () => {
    const stopping = running;
    running = [];
    await Promise.all(stopping.map(syncer => syncer.stop()));
  });

  function start(member: Member, flags: Readonly<Record<string, string>> = {}): RunningSyncer {
    const syncer = startSyncer(member, flags);
    running.push(syncer);
    return syncer;
  }

  async function stop(syncer: RunningSyncer): Promise<void> {
    running = running.filter(each => each !== syncer);
    await syncer.stop();
  }

  async function offer(
    client: ClusterSet['cluster1']['client'],
    name: string,
    address: string,
  ): Promise<void> {
    await makeService(client, ns, name);
    await writeSlice(client, ns, name, `${name}-abc`, { endpoints: [endpoint(address)] });
    await exportService(client, ns, name);
  }

  it('without the hub: what is known stays, own exports reach own imports, all meets again afterwards', async () => {
    const first = start(set.cluster1);
    start(set.cluster2);
    await offer(one(), 'web', '10.1.0.1');
    await offer(one(), 'leaving', '10.1.0.8');
    await offer(two(), 'web', '10.2.0.1');
    for (const client of [one(), two()]) {
      await eventually('both', () => addressesOf(client, ns, 'web'), ['10.1.0.1', '10.2.0.1']);
    }
    await eventually('the other', () => addressesOf(two(), ns, 'leaving'), ['10.1.0.8']);
    await set.hub.plane.killApiServer();
    const downAt = performance.now();

    await writeSlice(one(), ns, 'web', 'web-abc', { endpoints: [endpoint('10.1.0.2')] });
    await eventually('own change', () => addressesOf(one(), ns, 'web'), ['10.1.0.2', '10.2.0.1']);
    await offer(one(), 'fresh', '10.1.0.3');
    await eventually('own new export', () => addressesOf(one(), ns, 'fresh'), ['10.1.0.3']);
    await eventually(
      'its condition',
      () => exportConditions(one(), ns, 'fresh'),
      'Valid=True/Valid Ready=False/Pending Conflict=False/NoConflicts',
    );
    await one().delete(serviceExports, { namespace: ns, name: 'leaving' });
    await eventually('own withdrawal', () => addressesOf(one(), ns, 'leaving'), []);
    expect(
      (await one().get(serviceExports, { namespace: ns, name: 'leaving' }))?.metadata.finalizers,
    ).to.deep.equal(['apps.nauti.io/finalizer']);

    // A syncer that starts meanwhile knows nothing of the others, and takes nothing away.
    await stop(first);
    start(set.cluster1);
    await writeSlice(one(), ns, 'web', 'web-abc', { endpoints: [endpoint('10.1.0.4')] });
    await eventually('own change after a restart', () => addressesOf(one(), ns, 'web'), [
      '10.1.0.4',
      '10.2.0.1',
    ]);
    expect((await readImport(one(), ns, 'web'))?.clusters).to.deep.equal(['cluster1', 'cluster2']);

    // Longer than a lease: nobody may be taken for dead by whoever cannot see.
    await eventually(
      'more than a lease',
      async () => performance.now() - downAt,
      ms => ms > 18_000,
    );
    expect(await addressesOf(two(), ns, 'web')).to.deep.equal(['10.1.0.1', '10.2.0.1']);
    expect(await addressesOf(two(), ns, 'leaving')).to.deep.equal(['10.1.0.8']);

    await set.hub.plane.startApiServer();
    const upAt = performance.now();
    let flaps = 0;
    await eventually('all at the other', async () => {
      const found = await addressesOf(two(), ns, 'web');
      if (!found.includes('10.2.0.1') || found.length !== 2) flaps++;
      return [found, await addressesOf(two(), ns, 'fresh'), await addressesOf(two(), ns, 'leaving')];
    }, [['10.1.0.4', '10.2.0.1'], ['10.1.0.3'], []]);
    expect(flaps, 'looks at which an address was missing').to.equal(0);
    expect(performance.now() - upAt, 'milliseconds until all had met').to.be.below(45_000);
    await eventually(
      'the export gone',
      () => one().get(serviceExports, { namespace: ns, name: 'leaving' }),
      undefined,
    );
    await eventually('its condition', () => exportConditions(one(), ns, 'fresh'), isReady);
  });

  it('a cluster dies and its endpoints leave; under a new id it joins; under the old one it comes back', async () => {
    const first = start(set.cluster1);
    start(set.cluster2);
    await offer(one(), 'web', '10.1.0.1');
    await offer(one(), 'lone', '10.1.0.2');
    await offer(two(), 'web', '10.2.0.1');
    const sources = async (client: typeof set.hub.client, service = 'web') =>
      (await importedSlices(client, ns, service))
        .map(slice => slice.metadata.labels?.['multicluster.kubernetes.io/source-cluster'])
        .sort();
    await eventually('both', () => sources(two()), ['cluster1', 'cluster2']);
    const vip = (await importWithVip(two(), ns, 'web'))?.ips;
    await stop(first);
    const diedAt = performance.now();

    // The same cluster under a new id: a join, and a leave that nobody told anybody of.
    const renamed = await joinable(set.hub, set.cluster1, 'cluster3', set.directory);
    const third = start(renamed);
    await eventually(
      'the new id',
      () => sources(two()),
      found => found.includes('cluster3'),
    );
    await eventually('the old id dead', () => sources(two()), ['cluster2', 'cluster3']);
    const after = performance.now() - diedAt;
    expect(after, 'milliseconds: a lease after the last renewal').to.be.within(9_000, 45_000);
    await eventually('the old id dead at home too', () => sources(one()), ['cluster2', 'cluster3']);
    expect(await readImport(two(), ns, 'web')).to.deep.include({
      clusters: ['cluster1', 'cluster2', 'cluster3'],
      ips: vip,
    });
    expect((await namesOnHub(set.hub.client, 'cluster1')).length, 'its objects stay').to.be.above(0);

    await stop(third);
    start(await joinable(set.hub, set.cluster1, 'cluster1', set.directory));
    await eventually(
      'the old id alive',
      () => sources(two(), 'lone'),
      found => found.includes('cluster1'),
    );
    // Removed from the hub, as a purge does.
    const labelSelector = 'services.nauti.io/multi-cluster-cluster-ID=cluster3';
    for (const resource of [endpointSlices, exportedServices]) {
      for (const { metadata } of await listAll(set.hub.client, resource, {
        namespace: shareNamespace,
        labelSelector,
      })) {
        await set.hub.client.delete(resource, { namespace: shareNamespace, name: metadata.name ?? '' });
      }
    }
    for (const client of [one(), two()]) {
      await eventually('no slices of it', () => sources(client), ['cluster1', 'cluster2']);
      await eventually('the import without it', async () => (await readImport(client, ns, 'web'))?.clusters, [
        'cluster1',
        'cluster2',
      ]);
    }
  });

  it('garbage of an earlier life is collected on start, and nothing else', async () => {
    const first = start(set.cluster1);
    const second = start(set.cluster2);
    await offer(one(), 'gone', '10.1.0.1');
    await offer(one(), 'kept', '10.1.0.2');
    await offer(two(), 'own', '10.2.0.1');
    await eventually(
      'all',
      async () => [
        await addressesOf(two(), ns, 'gone'),
        await addressesOf(two(), ns, 'kept'),
        await addressesOf(one(), ns, 'own'),
      ],
      [['10.1.0.1'], ['10.1.0.2'], ['10.2.0.1']],
    );
    await eventually('the VIP', async () => (await readImport(two(), ns, 'kept'))?.ips.length, 1);
    const kept = async () =>
      (await importedSlices(two(), ns, 'kept')).map(x => `${x.metadata.uid} ${x.metadata.resourceVersion}`);
    const before = await kept();
    await stop(second);
    // While it was away: an unexport elsewhere, one here whose finalizer somebody took, and leftovers of a stranger life.
    await one().delete(serviceExports, { namespace: ns, name: 'gone' });
    await eventually(
      'the export gone',
      () => one().get(serviceExports, { namespace: ns, name: 'gone' }),
      undefined,
    );
    await two().patch(
      serviceExports,
      { namespace: ns, name: 'own' },
      { contentType: 'application/merge-patch+json', body: { metadata: { finalizers: null } } },
    );
    await two().delete(serviceExports, { namespace: ns, name: 'own' });
    const labels = {
      [managedByLabel]: managedBy,
      'multicluster.kubernetes.io/service-name': 'lost',
      'multicluster.kubernetes.io/source-cluster': 'cluster-of-old',
    };
    await two().create(endpointSlices, {
      metadata: { namespace: ns, name: 'old-lost', labels },
      addressType: 'IPv4',
      endpoints: [endpoint('10.8.0.1')],
    });
    await two().create(endpointSlices, {
      metadata: {
        namespace: shareNamespace,
        name: 'old-elsewhere',
        labels: { ...labels, 'services.nauti.io/multi-cluster-service-LocalNamespace': 'nowhere' },
      },
      addressType: 'IPv4',
      endpoints: [endpoint('10.8.0.2')],
    });
    await two().create(serviceImports, {
      metadata: { namespace: ns, name: 'lost', labels: { 'app.kubernetes.io/managed-by': managedBy } },
      spec: { type: 'Headless', ports: [] },
    });
    await two().create(serviceImports, {
      metadata: { namespace: ns, name: 'by-hand' },
      spec: { type: 'Headless', ports: [] },
    });
    await makeService(two(), ns, derivedServiceName(ns, 'lost'));
    await two().patch(
      services,
      { namespace: ns, name: derivedServiceName(ns, 'lost') },
      {
        contentType: 'application/merge-patch+json',
        body: {
          metadata: {
            labels: {
              'app.kubernetes.io/managed-by': managedBy,
              'multicluster.kubernetes.io/service-name': 'lost',
            },
          },
        },
      },
    );
    const ourSlices = async () =>
      (await listAll(two(), endpointSlices, { labelSelector: `${managedByLabel}=${managedBy}` })).filter(
        ({ metadata: { namespace, name } }) => namespace === ns || name === 'old-elsewhere',
      );
    start(set.cluster2);
    await eventually(
      'a clean cluster',
      async () => [
        (await ourSlices()).map(x => x.metadata.labels?.['multicluster.kubernetes.io/service-name']),
        (await listAll(two(), serviceImports, { namespace: ns })).map(x => x.metadata.name).sort(),
        await two().get(services, { namespace: ns, name: derivedServiceName(ns, 'lost') }),
        (await namesOnHub(set.hub.client, 'cluster2')).filter(name => name.includes(ns)),
      ],
      [['kept'], ['by-hand', 'kept'], undefined, []] as never,
    );
    expect(await kept(), 'what is right is not touched').to.deep.equal(before);
    await two().delete(serviceImports, { namespace: ns, name: 'by-hand' });
    await stop(first);
  });

  it('what the hub refuses is told by a condition, and tried again', async () => {
    start(set.cluster1);
    start(set.cluster2);
    await offer(one(), 'fence', '10.1.0.1');
    await eventually('the fence', () => exportConditions(one(), ns, 'fence'), isReady);
    const reference = { namespace: shareNamespace, name: 'nauti-member' };
    const role = await set.hub.client.get(roles, reference);
    const rules = role?.rules as { apiGroups: string[]; verbs: string[] }[];
    const setRules = (changed: typeof rules) =>
      set.hub.client.patch(roles, reference, {
        contentType: 'application/merge-patch+json',
        body: { rules: changed },
      });
    await setRules(rules.map(rule => ({ ...rule, verbs: ['get', 'list', 'watch'] })));
    try {
      await offer(one(), 'web', '10.1.0.1');
      await eventually(
        'the refusal',
        () => exportConditions(one(), ns, 'web'),
        'Valid=True/Valid Ready=False/Failed Conflict=False/NoConflicts',
      );
      expect(await readImport(two(), ns, 'web')).to.equal(undefined);
    } finally {
      await setRules(rules);
    }
    await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
    await eventually('its condition', () => exportConditions(one(), ns, 'web'), isReady);
  });

  it('a standby takes over, and the other clusters see no death', async () => {
    const leader = start(set.cluster1);
    start(set.cluster2);
    await offer(one(), 'web', '10.1.0.1');
    await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
    start(set.cluster1);
    const holder = async () => {
      const lease = await one().get(leases, { namespace: componentNamespace, name: 'nauti-syncer' });
      return (lease?.spec as { holderIdentity?: string } | undefined)?.holderIdentity;
    };
    const before = await holder();
    await stop(leader);
    // It has given the lease back, which would last 15 s more.
    expect(await holder()).to.not.equal(before);
    await writeSlice(one(), ns, 'web', 'web-abc', { endpoints: [endpoint('10.1.0.2')] });
    await eventually('a change through the standby', () => addressesOf(two(), ns, 'web'), ['10.1.0.2']);
  });

  it('a process is killed and started again: nothing is written that was right, and SIGTERM ends it with 0', async () => {
    start(set.cluster2);
    let child = spawnSyncer(set.cluster1);
    try {
      await offer(one(), 'web', '10.1.0.1');
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      const versions = async () =>
        (await listAll(set.hub.client, endpointSlices, { namespace: shareNamespace })).map(
          x => `${x.metadata.name} ${x.metadata.resourceVersion}`,
        );
      await eventually('its conditions', () => exportConditions(one(), ns, 'web'), isReady);
      const before = await versions();
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = spawnSyncer(set.cluster1);
      await offer(one(), 'more', '10.1.0.2');
      await eventually('what came after', () => addressesOf(two(), ns, 'more'), ['10.1.0.2']);
      expect((await versions()).filter(line => line.includes('web-abc'))).to.deep.equal(
        before.filter(line => line.includes('web-abc')),
      );
      child.kill('SIGTERM');
      const signalledAt = performance.now();
      const [code] = await once(child, 'exit');
      expect(code).to.equal(0);
      expect(performance.now() - signalledAt).to.be.below(20_000);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('leaving removes what it made here and on the hub, and lets go of the exports', async () => {
    const first = start(set.cluster1);
    const second = start(set.cluster2);
    await offer(one(), 'web', '10.1.0.1');
    await offer(two(), 'own', '10.2.0.1');
    await eventually(
      'both here',
      async () => [await addressesOf(two(), ns, 'web'), await addressesOf(one(), ns, 'own')],
      [['10.1.0.1'], ['10.2.0.1']],
    );
    // The Deployment's controller is played by the test: it stops the syncer when it is to have no pods.
    const deployment = { namespace: componentNamespace, name: 'nauti-syncer' };
    const template = {
      metadata: { labels: { app: 'syncer' } },
      spec: { containers: [{ name: 'syncer', image: 'nauti' }] },
    };
    await two().create(deployments, {
      metadata: deployment,
      spec: { replicas: 2, selector: { matchLabels: { app: 'syncer' } }, template },
    });
    const leave = spawnSyncer(set.cluster2, 'syncer-leave', { NAUTI_STOP_DEPLOYMENT: 'nauti-syncer' });
    const ended = once(leave, 'exit');
    const replicas = async () =>
      ((await two().get(deployments, deployment))?.spec as { replicas: number } | undefined)?.replicas;
    await eventually('the Deployment stopped', replicas, 0);
    expect(await addressesOf(one(), ns, 'own'), 'nothing is removed while a syncer works').to.deep.equal([
      '10.2.0.1',
    ]);
    await stop(second);
    const [code] = await ended;
    expect(code).to.equal(0);
    await two().delete(deployments, deployment);
    expect(await namesOnHub(set.hub.client, 'cluster2')).to.deep.equal([]);
    expect(await set.hub.client.get(leases, { namespace: shareNamespace, name: 'cluster2' })).to.equal(
      undefined,
    );
    expect(
      await listAll(two(), endpointSlices, { labelSelector: `${managedByLabel}=${managedBy}` }),
    ).to.deep.equal([]);
    expect(await listAll(two(), serviceImports)).to.deep.equal([]);
    expect((await listAll(two(), services, { namespace: ns })).map(x => x.metadata.name)).to.deep.equal([
      'own',
    ]);
    const own = await two().get(serviceExports, { namespace: ns, name: 'own' });
    expect(own?.metadata.finalizers ?? []).to.deep.equal([]);
    await eventually('gone elsewhere', () => readImport(one(), ns, 'own'), undefined);
    await stop(first);
  });

  it('leaving works without a hub', async () => {
    const second = start(set.cluster2);
    await offer(two(), 'own', '10.2.0.1');
    await eventually('its condition', () => exportConditions(two(), ns, 'own'), isReady);
    await stop(second);
    await set.hub.plane.killApiServer();
    try {
      const leave = spawnSyncer(set.cluster2, 'syncer-leave', { NAUTI_HUB_PATIENCE: '1s' });
      const [code] = await once(leave, 'exit');
      expect(code).to.equal(0);
      expect(await listAll(two(), serviceImports)).to.deep.equal([]);
      expect(
        (await two().get(serviceExports, { namespace: ns, name: 'own' }))?.metadata.finalizers ?? [],
      ).to.deep.equal([]);
    } finally {
      await set.hub.plane.startApiServer();
    }
  });

  it('without a token, a syncer that never joined ends with a sentence that says what to run', async () => {
    const client = one();
    await client.create(services, {
      metadata: { namespace: componentNamespace, name: 'unrelated' },
      spec: { clusterIP: 'None' },
    });
    await deleteQuietly(client, secrets, { namespace: componentNamespace, name: 'nauti-hub-identity' });
    const child = spawnSyncer({ ...set.cluster1, tokenFile: '' });
    let output = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = await once(child, 'exit');
    expect(code).to.equal(1);
    expect(output).to.contain('kubectl nauti token create cluster1');
  });

  function spawnSyncer(
    member: Member,
    component = 'syncer',
    variables: Readonly<Record<string, string>> = {},
  ): ChildProcess {
    const path = new URL('../../../cli/nauti.ts', import.meta.url).pathname;
    // The kernel ends it when the test ends, whatever ends that.
    return spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, path, component], {
      stdio: ['ignore', 'ignore', component === 'syncer' && member.tokenFile === '' ? 'pipe' : 'ignore'],
      env: {
        PATH: process.env.PATH,
        NAUTI_CLUSTER_ID: member.id,
        NAUTI_KUBECONFIG: member.plane.kubeconfig,
        ...(member.tokenFile !== '' && { NAUTI_BOOTSTRAP_TOKEN_FILE: member.tokenFile }),
        ...variables,
      },
    });
  }
});
