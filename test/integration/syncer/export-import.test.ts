import { expect } from 'chai';
import { shareNamespace } from '../../../api/names.ts';
import { derivedServiceName } from '../../../api/object-names.ts';
import {
  endpointSlices,
  exportedServices,
  leases,
  namespaces,
  serviceExports,
  serviceImports,
  services,
} from '../../../api/resource.ts';
import { microTime } from '../../../kube/lease.ts';
import { type ClusterSet, type RunningSyncer, sharedClusterSet, startSyncer } from './cluster-set.ts';
import {
  addressesOf,
  conditionsText,
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
  readyAddresses,
  writeSlice,
} from './objects.ts';

describe('syncers of two clusters', function () {
  this.timeout(180_000);
  let set: ClusterSet;
  let syncers: RunningSyncer[] = [];
  let count = 0;
  /** A namespace of the test's own, in both clusters. */
  let ns: string;
  const one = () => set.cluster1.client;
  const two = () => set.cluster2.client;

  before(async function () {
    this.timeout(180_000);
    set = await sharedClusterSet();
    syncers = [startSyncer(set.cluster1), startSyncer(set.cluster2)];
    await eventually(
      'both syncers being ready',
      async () => syncers.flatMap(({ probes }) => probes.failures('ready')),
      [],
    );
  });

  after(async function () {
    this.timeout(180_000);
    const stopped = await Promise.allSettled(syncers.map(syncer => syncer.stop()));
    for (const result of stopped) if (result.status === 'rejected') throw result.reason;
  });

  beforeEach(async () => {
    ns = `test-${++count}`;
    await Promise.all([makeNamespace(one(), ns), makeNamespace(two(), ns)]);
  });

  async function exportFromOne(name: string, addresses: readonly string[], spec: object = {}): Promise<void> {
    await makeService(one(), ns, name, { ...spec });
    await writeSlice(one(), ns, name, `${name}-abc`, { endpoints: addresses.map(ip => endpoint(ip)) });
    await exportService(one(), ns, name);
  }

  describe('a service', () => {
    it('is imported by both clusters, the exporting one included, and its endpoints follow', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      for (const client of [one(), two()]) {
        await eventually('its address', () => addressesOf(client, ns, 'web'), ['10.1.0.1']);
        const found = await eventually(
          'its import',
          () => readImport(client, ns, 'web'),
          x => x?.ips.length === 1 && x.clusters.length === 1,
        );
        expect(found).to.deep.include({ type: 'ClusterSetIP', clusters: ['cluster1'] });
        expect(found?.ports).to.deep.equal([{ name: 'http', port: 80, protocol: 'TCP' }]);
        // The status comes with the slices, after the rest.
        await eventually('its status', async () => {
          const object = (await readImport(client, ns, 'web'))?.object;
          const status = (object?.status ?? {}) as { endpointSliceObjects?: string };
          return [conditionsText(object), status.endpointSliceObjects];
        }, ['Ready=True/Ready', 'Present']);
      }
      await writeSlice(one(), ns, 'web', 'web-abc', {
        endpoints: [endpoint('10.1.0.2'), endpoint('10.1.0.3')],
      });
      await eventually('its new addresses', () => addressesOf(two(), ns, 'web'), ['10.1.0.2', '10.1.0.3']);
      await eventually(
        'the conditions',
        () => exportConditions(one(), ns, 'web'),
        'Valid=True/Valid Ready=True/Exported Conflict=False/NoConflicts',
      );
    });

    it('has a VIP in each importing cluster, that nothing but the imported slices gives endpoints', async () => {
      await exportFromOne('web', ['10.1.0.1'], {
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 77 } },
        trafficDistribution: 'PreferClose',
      });
      const found = await eventually(
        'the import',
        () => readImport(two(), ns, 'web'),
        x => x?.ips.length === 1,
      );
      const name = derivedServiceName(ns, 'web');
      const derived = await two().get(services, { namespace: ns, name });
      const spec = derived?.spec as Record<string, unknown>;
      expect(spec.clusterIPs).to.deep.equal(found?.ips);
      expect(spec).to.not.have.property('selector');
      expect(spec).to.deep.include({
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 77 } },
        trafficDistribution: 'PreferClose',
      });
      expect(found?.object.spec).to.deep.include({
        sessionAffinity: 'ClientIP',
        trafficDistribution: 'PreferClose',
      });
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      const [slice] = await eventually(
        'a slice for the VIP',
        () => importedSlices(two(), ns, 'web'),
        found => found.some(x => x.metadata.labels?.['kubernetes.io/service-name'] !== undefined),
      );
      expect(slice?.metadata.labels).to.include({
        'kubernetes.io/service-name': name,
        'multicluster.kubernetes.io/source-cluster': 'cluster1',
        'endpointslice.kubernetes.io/managed-by': 'mcs.nauti.io',
      });
      expect(slice?.metadata.ownerReferences?.[0]).to.include({
        kind: 'ServiceImport',
        uid: found?.object.metadata.uid,
      });
    });

    it('keeps its VIP while exports, ports and endpoints change, and after the derived Service was deleted', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      const before = await importWithVip(two(), ns, 'web');
      await one().patch(
        services,
        { namespace: ns, name: 'web' },
        {
          contentType: 'application/merge-patch+json',
          body: {
            spec: {
              ports: [
                { name: 'http', port: 80 },
                { name: 'more', port: 90 },
              ],
              sessionAffinity: 'ClientIP',
            },
          },
        },
      );
      const name = derivedServiceName(ns, 'web');
      await eventually(
        'two ports',
        async () => (await two().get(services, { namespace: ns, name }))?.spec as object,
        spec => 'ports' in spec && (spec.ports as unknown[]).length === 2,
      );
      // The address of a deleted Service is free a moment after everybody heard of the deletion.
      for (let count = 0; count < 5; count++) {
        const { uid } = (await two().get(services, { namespace: ns, name }))?.metadata ?? {};
        await two().delete(services, { namespace: ns, name });
        await eventually(
          'the derived Service made anew',
          async () => (await two().get(services, { namespace: ns, name }))?.metadata.uid,
          found => found !== undefined && found !== uid,
        );
        const derived = await two().get(services, { namespace: ns, name });
        expect(derived?.spec).to.deep.include({ clusterIPs: before?.ips });
      }
      expect((await readImport(two(), ns, 'web'))?.ips).to.deep.equal(before?.ips);
    });

    it('gets another VIP where somebody took the one that it had', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      const before = await importWithVip(two(), ns, 'web');
      const name = derivedServiceName(ns, 'web');
      const spec = { clusterIP: before?.ips[0], ports: [{ port: 80 }] };
      const squatter = { metadata: { namespace: ns, name: 'squatter' }, spec };
      // Against the syncer, which asks for the address too: whoever is first has it.
      const squat = () =>
        two()
          .create(services, squatter)
          .catch(() => undefined);
      await eventually(
        'somebody else having the address',
        async () => {
          await two().delete(services, { namespace: ns, name });
          return (await Promise.all(Array.from({ length: 8 }, squat))).some(made => made !== undefined);
        },
        true,
      );
      const after = await eventually(
        'another VIP',
        () => readImport(two(), ns, 'web'),
        x => x?.ips.length === 1 && x.ips[0] !== before?.ips[0],
      );
      const derived = await two().get(services, { namespace: ns, name });
      expect(derived?.spec).to.deep.include({ clusterIPs: after?.ips });
    });

    it('may be exported before it exists', async () => {
      await exportService(one(), ns, 'late');
      await eventually(
        'the refusal',
        () => exportConditions(one(), ns, 'late'),
        'Valid=False/NoService Ready=False/Pending',
      );
      expect(
        (await one().get(serviceExports, { namespace: ns, name: 'late' }))?.metadata.finalizers ?? [],
      ).to.deep.equal([]);
      await makeService(one(), ns, 'late');
      await writeSlice(one(), ns, 'late', 'late-abc', { endpoints: [endpoint('10.1.0.9')] });
      await eventually('its address', () => addressesOf(two(), ns, 'late'), ['10.1.0.9']);
      await one().delete(services, { namespace: ns, name: 'late' });
      await eventually('no import', () => readImport(two(), ns, 'late'), undefined);
      await eventually(
        'the refusal',
        () => exportConditions(one(), ns, 'late'),
        'Valid=False/NoService Ready=False/Pending',
      );
      await eventually(
        'an empty hub',
        async () => (await namesOnHub(set.hub.client, 'cluster1')).filter(name => name.includes(ns)),
        [],
      );
    });

    it('leaves nothing behind when it is unexported, and comes back when it is exported again', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      for (let round = 0; round < 3; round++) {
        await one().delete(serviceExports, { namespace: ns, name: 'web' });
        await eventually(
          'the export gone',
          () => one().get(serviceExports, { namespace: ns, name: 'web' }),
          undefined,
        );
        expect(
          (await namesOnHub(set.hub.client, 'cluster1')).filter(name => name.includes(ns)),
        ).to.deep.equal([]);
        for (const client of [one(), two()]) {
          await eventually('no import', () => readImport(client, ns, 'web'), undefined);
          await eventually('no slices', () => importedSlices(client, ns, 'web'), []);
          await eventually(
            'no derived Service',
            async () => (await listAll(client, services, { namespace: ns })).map(x => x.metadata.name),
            names => names.every(name => name === 'web'),
          );
        }
        await exportService(one(), ns, 'web');
        await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      }
    });

    it('survives a delete and a re-create of its export in one breath', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      for (let round = 0; round < 5; round++) {
        await one().delete(serviceExports, { namespace: ns, name: 'web' });
        await eventually(
          'room for a new one',
          async () => {
            try {
              await exportService(one(), ns, 'web');
              return true;
            } catch {
              return false;
            }
          },
          true,
        );
      }
      await eventually(
        'its conditions',
        () => exportConditions(one(), ns, 'web'),
        'Valid=True/Valid Ready=True/Exported Conflict=False/NoConflicts',
      );
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
    });

    for (const type of ['NodePort', 'LoadBalancer']) {
      it(`of type ${type} is imported with a VIP`, async () => {
        await exportFromOne('web', ['10.1.0.1'], { type });
        await eventually(
          'its import',
          async () => (await readImport(two(), ns, 'web'))?.type,
          'ClusterSetIP',
        );
        await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      });
    }

    it('of type ExternalName is refused by a condition', async () => {
      await one().create(services, {
        metadata: { namespace: ns, name: 'ext' },
        spec: { type: 'ExternalName', externalName: 'example.org' },
      });
      await exportService(one(), ns, 'ext');
      await eventually(
        'the refusal',
        () => exportConditions(one(), ns, 'ext'),
        'Valid=False/InvalidServiceType Ready=False/Pending',
      );
      expect(await readImport(two(), ns, 'ext')).to.equal(undefined);
      expect((await namesOnHub(set.hub.client, 'cluster1')).filter(name => name.includes(ns))).to.deep.equal(
        [],
      );
    });

    it('that is headless has hostnames, readiness, zones and nodes, and no VIP', async () => {
      await makeService(one(), ns, 'db', { clusterIP: 'None' });
      await writeSlice(one(), ns, 'db', 'db-abc', {
        endpoints: [
          endpoint('10.1.0.1', {
            hostname: 'db-0',
            zone: 'z1',
            nodeName: 'node-1',
            targetRef: { kind: 'Pod', namespace: ns, name: 'db-0' },
          }),
          {
            addresses: ['10.1.0.2'],
            hostname: 'db-1',
            conditions: { ready: false, serving: true, terminating: true },
          },
        ],
        ports: [
          { name: 'sql', port: 5432, protocol: 'TCP', appProtocol: 'postgresql' },
          { name: 'probe', port: 99, protocol: 'UDP' },
        ],
      });
      await exportService(one(), ns, 'db');
      await eventually('the address that is ready', () => addressesOf(two(), ns, 'db'), ['10.1.0.1']);
      const [slice] = await importedSlices(two(), ns, 'db');
      expect(slice?.endpoints).to.deep.equal([
        {
          addresses: ['10.1.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: 'db-0',
          zone: 'z1',
          nodeName: 'node-1',
          targetRef: { kind: 'Pod', namespace: ns, name: 'db-0' },
        },
        {
          addresses: ['10.1.0.2'],
          hostname: 'db-1',
          conditions: { ready: false, serving: true, terminating: true },
        },
      ]);
      expect(slice?.ports).to.deep.equal([
        { name: 'sql', port: 5432, protocol: 'TCP', appProtocol: 'postgresql' },
        { name: 'probe', port: 99, protocol: 'UDP' },
      ]);
      expect(slice?.metadata.labels).to.not.have.property('kubernetes.io/service-name');
      expect(await readImport(two(), ns, 'db')).to.deep.include({ type: 'Headless', ips: [] });
      expect((await listAll(two(), services, { namespace: ns })).length).to.equal(0);
    });

    it('without ports, without selector, of both families, is imported with all its slices', async () => {
      await one().create(services, {
        metadata: { namespace: ns, name: 'both' },
        spec: { clusterIP: 'None' },
      });
      await writeSlice(one(), ns, 'both', 'by-hand-4', { endpoints: [endpoint('10.1.0.1')], ports: [] });
      await writeSlice(one(), ns, 'both', 'by-hand-6', {
        addressType: 'IPv6',
        endpoints: [endpoint('fd00:1::1')],
        ports: [],
      });
      await exportService(one(), ns, 'both');
      await eventually('both addresses', () => addressesOf(two(), ns, 'both'), ['10.1.0.1', 'fd00:1::1']);
      const found = await readImport(two(), ns, 'both');
      expect(found?.object.spec).to.deep.include({ ipFamilies: ['IPv4', 'IPv6'] });
    });

    it('publishes endpoints that are not ready where the Service says so', async () => {
      await makeService(one(), ns, 'early', { clusterIP: 'None', publishNotReadyAddresses: true });
      const unready = {
        addresses: ['10.1.0.1'],
        conditions: { ready: false, serving: false, terminating: false },
      };
      await writeSlice(one(), ns, 'early', 'early-abc', { endpoints: [unready] });
      await exportService(one(), ns, 'early');
      await eventually('the address', () => addressesOf(two(), ns, 'early'), ['10.1.0.1']);
    });

    it('of over 1,000 endpoints arrives whole, and one change writes one slice', async () => {
      await makeService(one(), ns, 'big');
      const block = (index: number) =>
        Array.from({ length: 100 }, (_, i) =>
          endpoint(`10.2.${index}.${i + 1}`, {
            targetRef: { kind: 'Pod', namespace: ns, name: `big-${index}-${i}` },
          }),
        );
      for (let index = 0; index < 11; index++) {
        await writeSlice(one(), ns, 'big', `big-${index}`, { endpoints: block(index) });
      }
      await exportService(one(), ns, 'big');
      await eventually('1,100 addresses', async () => (await addressesOf(two(), ns, 'big')).length, 1100);
      await eventually('its import', async () => (await readImport(two(), ns, 'big'))?.ips.length, 1);
      await eventually(
        'the labels of all slices',
        async () => (await importedSlices(two(), ns, 'big')).map(x => x.metadata.labels ?? {}),
        labels => labels.every(found => 'kubernetes.io/service-name' in found),
      );
      const versions = async () =>
        new Map(
          (await importedSlices(two(), ns, 'big')).map(x => [x.metadata.name, x.metadata.resourceVersion]),
        );
      const before = await versions();
      await writeSlice(one(), ns, 'big', 'big-5', { endpoints: block(5).slice(1) });
      await eventually('1,099 addresses', async () => (await addressesOf(two(), ns, 'big')).length, 1099);
      const changed = [...(await versions())].filter(([name, version]) => before.get(name) !== version);
      expect(changed.map(([name]) => name)).to.have.length(1);
    });

    it('is not written again by what changes nothing', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      await eventually('its import', async () => (await readImport(two(), ns, 'web'))?.ips.length, 1);
      await eventually(
        'the conditions',
        () => exportConditions(one(), ns, 'web'),
        'Valid=True/Valid Ready=True/Exported Conflict=False/NoConflicts',
      );
      const versions = async () =>
        [
          ...(await listAll(set.hub.client, endpointSlices, { namespace: shareNamespace })),
          ...(await importedSlices(two(), ns, 'web')),
          ...(await listAll(two(), serviceImports, { namespace: ns })),
        ].map(x => `${x.metadata.name} ${x.metadata.resourceVersion}`);
      const before = await versions();
      const annotate = (value: string) =>
        one().patch(
          endpointSlices,
          { namespace: ns, name: 'web-abc' },
          {
            contentType: 'application/merge-patch+json',
            body: {
              metadata: { annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': value } },
            },
          },
        );
      await annotate('2026-05-01T12:00:00Z');
      await annotate('2026-05-01T12:00:01Z');
      // What comes after it has overtaken nothing: when this is there, the other was looked at.
      await makeService(one(), ns, 'fence', { clusterIP: 'None' });
      await exportService(one(), ns, 'fence');
      await eventually('the fence', async () => (await readImport(two(), ns, 'fence'))?.type, 'Headless');
      expect((await versions()).filter(line => !line.includes('fence'))).to.include.members(
        before.filter(line => line.includes('web')),
      );
    });

    it('carries the time of a change, and importers measure its way', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      await writeSlice(one(), ns, 'web', 'web-abc', { endpoints: [endpoint('10.1.0.2')] });
      await eventually('its new address', () => addressesOf(two(), ns, 'web'), ['10.1.0.2']);
      const [slice] = await importedSlices(two(), ns, 'web');
      const age = Date.now() - Date.parse(slice?.metadata.annotations?.['nauti.io/changed-at'] ?? '');
      expect(age).to.be.within(0, 60_000);
      const text = await syncers[1]?.metrics.getSingleMetricAsString('nauti_syncer_propagation_seconds');
      expect(text).to.match(/nauti_syncer_propagation_seconds_count\{source_cluster="cluster1"\} [1-9]/);
    });
  });

  describe('a namespace that an importer lacks', () => {
    it('has its slices in the local namespace, and beside the import when it appears, and back', async () => {
      const lone = `lone-${count}`;
      await makeNamespace(one(), lone);
      await makeService(one(), lone, 'web');
      await writeSlice(one(), lone, 'web', 'web-abc', { endpoints: [endpoint('10.1.7.1')] });
      await exportService(one(), lone, 'web');
      const inLocal = async () =>
        readyAddresses(
          (await importedSlices(two(), shareNamespace, 'web')).filter(
            x => x.metadata.labels?.['services.nauti.io/multi-cluster-service-LocalNamespace'] === lone,
          ),
        );
      await eventually('its address in the local namespace', inLocal, ['10.1.7.1']);
      expect(await two().get(namespaces, { name: lone }), 'namespaces are not made').to.equal(undefined);
      await writeSlice(one(), lone, 'web', 'web-abc', { endpoints: [endpoint('10.1.7.2')] });
      await eventually('its new address', inLocal, ['10.1.7.2']);
      await makeNamespace(two(), lone);
      await eventually('its address beside the import', () => addressesOf(two(), lone, 'web'), ['10.1.7.2']);
      await eventually('none in the local namespace', inLocal, []);
      await eventually('its import', async () => (await readImport(two(), lone, 'web'))?.ips.length, 1);
      await two().delete(namespaces, { name: lone });
      await eventually('the namespace gone', () => two().get(namespaces, { name: lone }), undefined);
      await eventually('its address in the local namespace', inLocal, ['10.1.7.2']);
      await one().delete(serviceExports, { namespace: lone, name: 'web' });
      await eventually('nothing', inLocal, []);
    });
  });

  describe('a service of two clusters', () => {
    async function exportFromTwo(
      name: string,
      spec: object = {},
      options: Parameters<typeof exportService>[3] = {},
    ): Promise<void> {
      await makeService(two(), ns, name, spec as Record<string, unknown>);
      await writeSlice(two(), ns, name, `${name}-two`, { endpoints: [endpoint('10.2.0.1')] });
      await exportService(two(), ns, name, options);
    }

    it('has the endpoints of both, and lives as long as one exports it', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      await exportFromTwo('web');
      for (const client of [one(), two()]) {
        await eventually('both addresses', () => addressesOf(client, ns, 'web'), ['10.1.0.1', '10.2.0.1']);
        await eventually('both clusters', async () => (await readImport(client, ns, 'web'))?.clusters, [
          'cluster1',
          'cluster2',
        ]);
        await eventually(
          'no conflict',
          () => exportConditions(client, ns, 'web'),
          'Valid=True/Valid Ready=True/Exported Conflict=False/NoConflicts',
        );
      }
      const vip = (await readImport(two(), ns, 'web'))?.ips;
      await one().delete(serviceExports, { namespace: ns, name: 'web' });
      await eventually('the other one', () => addressesOf(two(), ns, 'web'), ['10.2.0.1']);
      await eventually('the other cluster', async () => (await readImport(two(), ns, 'web'))?.clusters, [
        'cluster2',
      ]);
      expect((await readImport(two(), ns, 'web'))?.ips).to.deep.equal(vip);
      await two().delete(serviceExports, { namespace: ns, name: 'web' });
      await eventually('no import', () => readImport(one(), ns, 'web'), undefined);
    });

    it('that differ is as the oldest export says, and every export says what differs', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      const created = async () =>
        (await one().get(serviceExports, { namespace: ns, name: 'web' }))?.metadata.creationTimestamp ?? '';
      // The next second of the API server's clock, as ages have whole seconds.
      await eventually(
        'a younger age',
        async () => Date.now() - Date.parse(await created()),
        age => age > 1_100,
      );
      await makeService(two(), ns, 'web', {
        clusterIP: 'None',
        ipFamilyPolicy: 'SingleStack',
        ports: [{ name: 'http', port: 81 }],
      });
      await writeSlice(two(), ns, 'web', 'web-two', { endpoints: [endpoint('10.2.0.1')] });
      await exportService(two(), ns, 'web', { spec: { exportedLabels: { tier: 'two' } } });
      const reasons =
        'Valid=True/Valid Ready=True/Exported Conflict=True/PortConflict,TypeConflict,LabelsConflict';
      for (const client of [one(), two()]) {
        await eventually('the conflict', () => exportConditions(client, ns, 'web'), reasons);
        const found = await eventually(
          'its import',
          () => readImport(client, ns, 'web'),
          x => x?.clusters.length === 2,
        );
        expect(found).to.deep.include({
          type: 'ClusterSetIP',
          ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
        });
        expect(found?.object.metadata.labels).to.not.have.property('tier');
        await eventually('the port that won, of one cluster alone', async () => {
          const slices = await importedSlices(client, ns, 'web');
          const ports = (cluster: string) => {
            const of = 'multicluster.kubernetes.io/source-cluster';
            const slice = slices.find(x => x.metadata.labels?.[of] === cluster);
            return ((slice?.ports ?? []) as unknown[]).length;
          };
          return [ports('cluster1'), ports('cluster2')];
        }, [1, 0]);
      }
      await one().delete(serviceExports, { namespace: ns, name: 'web' });
      await eventually(
        'the conflict over',
        () => exportConditions(two(), ns, 'web'),
        'Valid=True/Valid Ready=True/Exported Conflict=False/NoConflicts',
      );
      for (const client of [one(), two()]) {
        await eventually(
          'the type of the one left',
          async () => (await readImport(client, ns, 'web'))?.type,
          'Headless',
        );
        await eventually(
          'its labels',
          async () => (await readImport(client, ns, 'web'))?.object.metadata.labels?.tier,
          'two',
        );
        await eventually('no VIP', async () => (await readImport(client, ns, 'web'))?.ips, []);
        await eventually(
          'no derived Service',
          async () => (await listAll(client, services, { namespace: ns })).map(x => x.metadata.name),
          names => names.every(name => name === 'web'),
        );
      }
    });

    it('is imported only where its exporter allows it', async () => {
      await makeService(one(), ns, 'web');
      await writeSlice(one(), ns, 'web', 'web-abc', { endpoints: [endpoint('10.1.0.1')] });
      await exportService(one(), ns, 'web', { annotations: { 'nauti.io/allowed-importers': 'cluster9' } });
      await eventually('its own address', () => addressesOf(one(), ns, 'web'), ['10.1.0.1']);
      await exportFromTwo('web');
      await eventually('only the other', () => addressesOf(two(), ns, 'web'), ['10.2.0.1']);
      await one().patch(
        serviceExports,
        { namespace: ns, name: 'web' },
        {
          contentType: 'application/merge-patch+json',
          body: { metadata: { annotations: { 'nauti.io/allowed-importers': null, 'nauti.io/weight': '3' } } },
        },
      );
      await eventually('both', () => addressesOf(two(), ns, 'web'), ['10.1.0.1', '10.2.0.1']);
      const weights = async () =>
        (await importedSlices(two(), ns, 'web'))
          .map(x => x.metadata.annotations?.['nauti.io/weight'] ?? '-')
          .sort();
      await eventually('its weight', weights, ['-', '3']);
      await one().patch(
        serviceExports,
        { namespace: ns, name: 'web' },
        {
          contentType: 'application/merge-patch+json',
          body: { metadata: { annotations: { 'nauti.io/weight': 'heavy' } } },
        },
      );
      await eventually(
        'the refusal',
        () => exportConditions(one(), ns, 'web'),
        'Valid=False/InvalidAnnotation Ready=False/Pending',
      );
    });
  });

  describe('what others have on the hub', () => {
    /** A cluster that is only objects on the hub, as hostile as the hub's schema lets it be. */
    async function foreignExport(cluster: string, spec: object): Promise<void> {
      const labels = {
        'services.nauti.io/multi-cluster-cluster-ID': cluster,
        'services.nauti.io/multi-cluster-service-LocalNamespace': ns,
        'services.nauti.io/multi-cluster-service-name': 'web',
      };
      await set.hub.client.create(exportedServices, {
        metadata: { namespace: shareNamespace, name: `${cluster}-${ns}-web-${count}`, labels },
        spec: {
          clusterId: cluster,
          namespace: ns,
          name: 'web',
          exportedAt: '1970-01-01T00:00:00Z',
          type: 'ClusterSetIP',
          ...spec,
        },
      });
      await set.hub.client.create(endpointSlices, {
        metadata: { namespace: shareNamespace, name: `${cluster}-${ns}-web-slice`, labels },
        addressType: 'IPv4',
        endpoints: [endpoint('10.9.0.1')],
      });
      await set.hub.client.apply(
        leases,
        {
          metadata: {
            namespace: shareNamespace,
            name: cluster,
            labels: { 'services.nauti.io/multi-cluster-cluster-ID': cluster },
          },
          spec: { renewTime: microTime(new Date()) },
        },
        { fieldManager: 'test', force: true },
      );
    }

    it('of a family that this cluster lacks is imported without a VIP, and says why', async () => {
      await foreignExport('cluster7', { ports: [{ name: 'http', port: 80 }], ipFamilies: ['IPv6'] });
      await eventually(
        'the condition',
        async () => conditionsText((await readImport(two(), ns, 'web'))?.object),
        'Ready=False/IPFamilyNotSupported',
      );
      await eventually('its endpoints all the same', () => addressesOf(two(), ns, 'web'), ['10.9.0.1']);
    });

    it('without any port is imported without a VIP, and hurts nobody', async () => {
      await foreignExport('cluster8', { ports: [] });
      await eventually('its endpoints', () => addressesOf(two(), ns, 'web'), ['10.9.0.1']);
      await eventually(
        'its condition',
        async () => conditionsText((await readImport(two(), ns, 'web'))?.object),
        'Ready=True/Ready',
      );
    });

    it('that claims one service and is labelled with another is left out', async () => {
      const labels = {
        'services.nauti.io/multi-cluster-cluster-ID': 'cluster7',
        'services.nauti.io/multi-cluster-service-LocalNamespace': ns,
        'services.nauti.io/multi-cluster-service-name': 'web',
      };
      await set.hub.client.create(exportedServices, {
        metadata: { namespace: shareNamespace, name: `cluster1-${ns}-forged`, labels },
        spec: {
          clusterId: 'cluster1',
          namespace: ns,
          name: 'web',
          exportedAt: '1970-01-01T00:00:00Z',
          type: 'ClusterSetIP',
          ports: [{ port: 80 }],
        },
      });
      await exportFromOne('fence', ['10.1.0.1']);
      await eventually('what came after it', () => addressesOf(two(), ns, 'fence'), ['10.1.0.1']);
      expect(await readImport(two(), ns, 'web')).to.equal(undefined);
    });

    it('as slices alone, without an export, adds nothing to a service of others', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      await set.hub.client.create(endpointSlices, {
        metadata: {
          namespace: shareNamespace,
          name: `cluster7-${ns}-smuggled`,
          labels: {
            'services.nauti.io/multi-cluster-cluster-ID': 'cluster7',
            'services.nauti.io/multi-cluster-service-LocalNamespace': ns,
            'services.nauti.io/multi-cluster-service-name': 'web',
          },
        },
        addressType: 'IPv4',
        endpoints: [endpoint('10.9.0.9')],
      });
      await exportFromOne('fence', ['10.1.0.1']);
      await eventually('what came after it', () => addressesOf(two(), ns, 'fence'), ['10.1.0.1']);
      expect(await addressesOf(two(), ns, 'web')).to.deep.equal(['10.1.0.1']);
    });
  });

  describe('what people do to the objects of a syncer', () => {
    it('is put right: deleted, emptied, relabelled', async () => {
      await exportFromOne('web', ['10.1.0.1']);
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      const [slice] = await importedSlices(two(), ns, 'web');
      const reference = { namespace: ns, name: slice?.metadata.name ?? '' };
      const patch = (body: object) =>
        two().patch(endpointSlices, reference, { contentType: 'application/merge-patch+json', body });
      await patch({ endpoints: [] });
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      await patch({ metadata: { labels: { 'kubernetes.io/service-name': 'kubernetes' } } });
      await eventually(
        'the label',
        async () =>
          (await two().get(endpointSlices, reference))?.metadata.labels?.['kubernetes.io/service-name'],
        derivedServiceName(ns, 'web'),
      );
      await two().delete(endpointSlices, reference);
      await eventually('its address', () => addressesOf(two(), ns, 'web'), ['10.1.0.1']);
      const before = await eventually(
        'its VIP',
        () => readImport(two(), ns, 'web'),
        x => x?.ips.length === 1,
      );
      const { uid } = before?.object.metadata ?? {};
      await two().delete(serviceImports, { namespace: ns, name: 'web' });
      await eventually(
        'a new import',
        async () => (await readImport(two(), ns, 'web'))?.object.metadata.uid,
        found => found !== undefined && found !== uid,
      );
      await eventually(
        'slices of the new import',
        async () => (await importedSlices(two(), ns, 'web')).map(x => x.metadata.ownerReferences?.[0]?.uid),
        uids => uids.length === 1 && uids[0] !== uid,
      );
      expect((await readImport(two(), ns, 'web'))?.ips, 'its VIP').to.deep.equal(before?.ips);
      await set.hub.client.delete(endpointSlices, {
        namespace: shareNamespace,
        name:
          (await namesOnHub(set.hub.client, 'cluster1')).find(
            name => name.includes(ns) && name.includes('web-abc'),
          ) ?? '',
      });
      await eventually(
        'the slice on the hub',
        async () =>
          (await namesOnHub(set.hub.client, 'cluster1')).filter(
            name => name.includes(ns) && name.includes('web-abc'),
          ).length,
        1,
      );
    });

    it("is left alone where it is not a syncer's: a Service in the place of the VIP", async () => {
      const name = derivedServiceName(ns, 'web');
      await makeService(two(), ns, name);
      await exportFromOne('web', ['10.1.0.1']);
      await eventually(
        'the condition',
        async () => conditionsText((await readImport(two(), ns, 'web'))?.object),
        'Ready=False/Pending',
      );
      expect(
        (await two().get(services, { namespace: ns, name }))?.metadata.labels ?? {},
      ).to.not.have.property('multicluster.kubernetes.io/service-name');
    });
  });
});
