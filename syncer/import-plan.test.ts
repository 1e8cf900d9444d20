import { expect } from 'chai';
import type { ExportedServiceSpec } from '../api/exported-service.ts';
import { derivedServiceName } from '../api/object-names.ts';
import type { ServicePort } from '../api/service-port.ts';
import {
  type Contribution,
  canServe,
  derivedObject,
  type ImportTarget,
  importObject,
  planImport,
  plannedFingerprint,
  sliceObject,
} from './import-plan.ts';
import type { Liveness } from './liveness.ts';
import { mergeExports } from './merge.ts';
import { readSliceText, sliceText, type WrittenEndpoint } from './slice-content.ts';
import { readLocalSlice } from './slice-views.ts';
import { type DerivedService, readImport } from './views.ts';

const target: ImportTarget = {
  namespace: 'demo',
  name: 'web',
  clusterId: 'cluster2',
  localNamespace: 'syncer-operator',
  namespaceExists: true,
  clusterSetIp: true,
};

const endpoint: WrittenEndpoint = {
  addresses: ['10.1.0.1'],
  conditions: { ready: true, serving: true, terminating: false },
  nodeName: 'node-1',
  zone: 'z1',
};

function contribution(
  clusterId: string,
  spec: Partial<ExportedServiceSpec> = {},
  { liveness = 'alive', port = 'http' }: { liveness?: Liveness; port?: string } = {},
): Contribution {
  return {
    spec: {
      clusterId,
      namespace: 'demo',
      name: 'web',
      exportedAt: '2026-05-01T12:00:00Z',
      type: 'ClusterSetIP',
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      ipFamilies: ['IPv4'],
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      exportedLabels: {},
      exportedAnnotations: {},
      ...spec,
    },
    liveness,
    slices: [
      {
        name: `${clusterId}-demo-web-abc`,
        text: sliceText({
          addressType: 'IPv4',
          endpoints: [endpoint],
          ports: [{ name: port, protocol: 'TCP', port: 8080 }],
        }),
        changedAt: '2026-05-01T12:00:00.000Z',
      },
    ],
  };
}

const younger = { exportedAt: '2026-05-01T13:00:00Z' };
const owner = {
  apiVersion: 'multicluster.x-k8s.io/v1beta1',
  kind: 'ServiceImport',
  name: 'web',
  uid: 'uid-import',
};

function clustersOf(...contributions: Contribution[]): string[] {
  return planImport(target, contributions).slices.map(slice => slice.clusterId);
}

describe('plan of an import', () => {
  it('has no slices of the dead, and stays while anybody exports', () => {
    const plan = planImport(target, [contribution('cluster1', {}, { liveness: 'dead' })]);
    expect(plan.slices).to.deep.equal([]);
    expect(plan.merged?.clusterIds).to.deep.equal(['cluster1']);
  });

  it('plans slices of clusters that are not known to live, and marks them as undecided', () => {
    const plan = planImport(target, [
      contribution('cluster1', {}, { liveness: 'unknown' }),
      contribution('cluster3'),
    ]);
    expect([...plan.undecided]).to.deep.equal(['cluster1']);
    expect(plan.slices).to.have.length(2);
  });

  it('takes nothing that others may import only, but always its own', () => {
    expect(clustersOf(contribution('cluster1', { allowedImporters: ['cluster3'] }))).to.deep.equal([]);
    expect(clustersOf(contribution('cluster1', { allowedImporters: [] }))).to.deep.equal([]);
    expect(clustersOf(contribution('cluster1', { allowedImporters: ['cluster2'] }))).to.deep.equal([
      'cluster1',
    ]);
    expect(clustersOf(contribution('cluster2', { allowedImporters: ['cluster3'] }))).to.deep.equal([
      'cluster2',
    ]);
  });

  it('lets no export decide that it may not import', () => {
    const hidden = contribution('cluster1', { type: 'Headless', allowedImporters: ['cluster3'] });
    expect(planImport(target, [hidden, contribution('cluster3', younger)]).merged?.type).to.equal(
      'ClusterSetIP',
    );
  });

  it('puts slices beside the import, for kube-proxy under the derived Service', () => {
    const [slice] = planImport(target, [contribution('cluster1')]).slices;
    expect(slice).to.deep.include({ namespace: 'demo', name: 'cluster1-demo-web-abc' });
    expect(slice?.labels).to.deep.equal({
      'endpointslice.kubernetes.io/managed-by': 'mcs.nauti.io',
      'multicluster.kubernetes.io/service-name': 'web',
      'multicluster.kubernetes.io/source-cluster': 'cluster1',
      'kubernetes.io/service-name': derivedServiceName('demo', 'web'),
    });
  });

  it('gives the VIP the addresses by which this cluster reaches its own endpoints, where others are published', () => {
    const own = contribution('cluster2');
    const [slice] = own.slices;
    if (slice === undefined) throw new Error('a slice');
    const near = { ...readSliceText(slice.text), endpoints: [{ ...endpoint, addresses: ['10.244.0.9'] }] };
    const spoken = { ...own, slices: [{ ...slice, nearText: sliceText(near) }] };
    const planned = planImport(target, [spoken, contribution('cluster1')]).slices;
    const shown = planned.map(({ text, labels }) => [
      readSliceText(text).endpoints[0]?.addresses[0],
      labels['multicluster.kubernetes.io/service-name'],
      labels['nauti.io/vip-of'],
      labels['kubernetes.io/service-name'],
    ]);
    const derived = derivedServiceName('demo', 'web');
    expect(shown).to.have.deep.members([
      ['10.1.0.1', 'web', undefined, undefined],
      ['10.244.0.9', undefined, 'web', derived],
      ['10.1.0.1', 'web', undefined, derived],
    ]);
    expect(new Set(planned.map(one => one.name)).size).to.equal(3);
    // Who looks for the slices of the import by either label of the KEP finds those of the import alone.
    const marked = planned.map(({ labels }) => [
      labels['multicluster.kubernetes.io/source-cluster'],
      labels['nauti.io/vip-cluster'],
    ]);
    expect(marked).to.have.deep.members([
      ['cluster2', undefined],
      [undefined, 'cluster2'],
      ['cluster1', undefined],
    ]);
    // Without an address of its own there is nothing to give it to.
    for (const without of [
      { ...target, clusterSetIp: false },
      { ...target, namespaceExists: false },
    ]) {
      const [only, ...more] = planImport(without, [spoken]).slices;
      expect(more).to.deep.equal([]);
      expect(only?.text).to.equal(slice.text);
    }
    // It is recognised as what it is, and a change of it seen.
    const vip = planned.find(({ labels }) => labels['nauti.io/vip-of'] !== undefined);
    if (vip === undefined) throw new Error('a slice of the VIP');
    const object = sliceObject(vip, owner);
    const read = readLocalSlice(object, 'syncer-operator');
    expect(read).to.deep.include({ kind: 'imported', service: 'demo/web', clusterId: 'cluster2' });
    expect(read?.kind === 'imported' && read.fingerprint).to.equal(plannedFingerprint(vip, owner));
  });

  it('calls the ports of its own endpoints for the VIP as the import does, and leaves out those that lost', () => {
    const own = contribution(
      'cluster2',
      { ...younger, ports: [{ name: 'web', protocol: 'TCP', port: 80 }] },
      { port: 'web' },
    );
    const [slice] = own.slices;
    if (slice === undefined) throw new Error('a slice');
    const near = { ...readSliceText(slice.text), endpoints: [{ ...endpoint, addresses: ['10.244.0.9'] }] };
    const spoken = (ports: readonly ServicePort[]) => {
      const { spec } = own;
      const slices = [{ ...slice, nearText: sliceText(near) }];
      const found = planImport(target, [
        { ...own, spec: { ...spec, ports }, slices },
        contribution('cluster1'),
      ]).slices.find(({ labels }) => labels['nauti.io/vip-of'] !== undefined);
      return readSliceText(found?.text ?? '{}').ports.map(({ name }) => name);
    };
    expect(spoken([{ name: 'web', protocol: 'TCP', port: 80 }])).to.deep.equal(['http']);
    expect(
      spoken([
        { name: 'http', protocol: 'TCP', port: 81 },
        { name: 'web', protocol: 'TCP', port: 90 },
      ]),
    ).to.deep.equal(['web']);
    expect(spoken([{ name: 'http', protocol: 'TCP', port: 81 }])).to.deep.equal([]);
  });

  it('never lets a slice count as the endpoints of a Service of the cluster itself', () => {
    for (const options of [{ clusterSetIp: false }, { namespaceExists: false }]) {
      const [slice] = planImport({ ...target, ...options }, [contribution('cluster1')]).slices;
      expect(slice?.labels).to.not.have.property('kubernetes.io/service-name');
    }
    const [headless] = planImport(target, [contribution('cluster1', { type: 'Headless' })]).slices;
    expect(headless?.labels).to.not.have.property('kubernetes.io/service-name');
  });

  it('puts slices of a namespace that does not exist into the local one, by the labels of the contract', () => {
    const [slice] = planImport({ ...target, namespaceExists: false }, [contribution('cluster1')]).slices;
    expect(slice?.namespace).to.equal('syncer-operator');
    expect(slice?.labels).to.include({
      'services.nauti.io/multi-cluster-cluster-ID': 'cluster1',
      'services.nauti.io/multi-cluster-service-LocalNamespace': 'demo',
      'services.nauti.io/multi-cluster-service-name': 'web',
      'multicluster.kubernetes.io/service-name': 'web',
    });
  });

  it('carries weight and priority of each cluster on its slices', () => {
    const [slice] = planImport(target, [
      contribution('cluster1', { routing: { weight: 0, priority: 7 } }),
    ]).slices;
    expect(slice?.annotations).to.deep.equal({ 'nauti.io/weight': '0', 'nauti.io/priority': '7' });
  });

  it('sends traffic of a port that clashes only to the clusters that expose it', () => {
    const clash = contribution('cluster3', {
      ...younger,
      ports: [{ name: 'http', protocol: 'TCP', port: 81 }],
    });
    const [, lost] = planImport(target, [contribution('cluster1'), clash]).slices;
    expect(readSliceText(lost?.text ?? '')).to.deep.include({ ports: [], endpoints: [endpoint] });
  });

  it('calls a port everywhere as the import does', () => {
    const renamed = contribution(
      'cluster3',
      { ...younger, ports: [{ name: 'web', protocol: 'TCP', port: 80 }] },
      { port: 'web' },
    );
    const [kept, other] = planImport(target, [contribution('cluster1'), renamed]).slices;
    expect(readSliceText(other?.text ?? '').ports).to.deep.equal([
      { name: 'http', protocol: 'TCP', port: 8080 },
    ]);
    expect(kept?.text).to.equal(contribution('cluster1').slices[0]?.text);
  });

  it('leaves the ports of headless services as they are', () => {
    const headless = { type: 'Headless' as const };
    const clash = contribution('cluster3', {
      ...younger,
      ...headless,
      ports: [{ name: 'http', protocol: 'TCP', port: 81 }],
    });
    const [, other] = planImport(target, [contribution('cluster1', headless), clash]).slices;
    expect(readSliceText(other?.text ?? '').ports).to.deep.equal([
      { name: 'http', protocol: 'TCP', port: 8080 },
    ]);
  });

  it("takes no other cluster's node for one of its own, where traffic must stay on the node", () => {
    const local = { internalTrafficPolicy: 'Local' as const };
    const [foreign, own] = planImport(target, [
      contribution('cluster1', local),
      contribution('cluster2', local),
    ]).slices;
    expect(readSliceText(foreign?.text ?? '').endpoints[0]).to.not.have.property('nodeName');
    expect(readSliceText(own?.text ?? '').endpoints[0]?.nodeName).to.equal('node-1');
  });

  it('gives hints of zones where traffic is to stay near, and reads its own hints back', () => {
    const [slice] = planImport(target, [
      contribution('cluster1', { trafficDistribution: 'PreferClose' }),
    ]).slices;
    if (slice === undefined) throw new Error('no slice was planned');
    expect(readSliceText(slice.text).endpoints[0]?.hints).to.deep.equal({ forZones: [{ name: 'z1' }] });
    const read = readLocalSlice(sliceObject(slice, owner), 'syncer-operator');
    expect(read).to.include({ fingerprint: plannedFingerprint(slice, owner), service: 'demo/web' });
  });

  it('recognises what it has written, and what anybody has changed of it', () => {
    const [slice] = planImport(target, [
      contribution('cluster1', { routing: { weight: 2, priority: 0 } }),
    ]).slices;
    if (slice === undefined) throw new Error('no slice was planned');
    const object = sliceObject(slice, owner);
    const wanted = plannedFingerprint(slice, owner);
    const read = (changed: object) =>
      (readLocalSlice({ ...object, ...changed }, 'syncer-operator') as { fingerprint: string }).fingerprint;
    const { metadata } = object;
    expect(read({})).to.equal(wanted);
    expect(
      read({
        metadata: { ...metadata, annotations: { ...metadata.annotations, 'nauti.io/changed-at': 'x' } },
      }),
    ).to.equal(wanted);
    expect(read({ metadata: { ...metadata, labels: { ...metadata.labels, other: 'x' } } })).to.equal(wanted);
    for (const changed of [
      { endpoints: [] },
      { ports: [] },
      { endpoints: 'nonsense' },
      { metadata: { ...metadata, ownerReferences: [] } },
      { metadata: { ...metadata, annotations: {} } },
      { metadata: { ...metadata, labels: { ...metadata.labels, 'kubernetes.io/service-name': 'web' } } },
    ]) {
      expect(read(changed), JSON.stringify(changed)).to.not.equal(wanted);
    }
  });
});

describe('objects of an import', () => {
  const merged = mergeExports([
    contribution('cluster1', { exportedLabels: { tier: 'front', 'app.kubernetes.io/managed-by': 'them' } })
      .spec,
  ]);
  if (merged === undefined) throw new Error('one export must merge');
  const derived: DerivedService = {
    kind: 'derived',
    namespace: 'demo',
    name: 'derived-x',
    service: 'demo/web',
    fingerprint: '',
    clusterIps: ['10.97.0.1'],
    ipFamilies: ['IPv4'],
  };

  it('the import has exported labels only, and says whose it is whatever they claim', () => {
    const { object } = importObject(target, merged, derived);
    expect(object.metadata.labels).to.deep.equal({
      tier: 'front',
      'app.kubernetes.io/managed-by': 'mcs.nauti.io',
    });
    expect(object.spec).to.deep.include({ type: 'ClusterSetIP', ips: ['10.97.0.1'], ipFamilies: ['IPv4'] });
  });

  it('the import is recognised, and a label that is exported no more is not', () => {
    const { object, fingerprint } = importObject(target, merged, derived);
    const managed = (labels: readonly string[]) => ({
      ...object,
      metadata: {
        ...object.metadata,
        uid: 'u',
        labels: { ...object.metadata.labels, gone: 'x' },
        managedFields: [
          {
            manager: 'nauti-syncer',
            operation: 'Apply',
            fieldsV1: {
              'f:metadata': { 'f:labels': Object.fromEntries(labels.map(one => [`f:${one}`, {}])) },
            },
          },
        ],
      },
    });
    const own = ['tier', 'app.kubernetes.io/managed-by'];
    expect(readImport(managed(own)).fingerprint).to.equal(fingerprint);
    expect(readImport(managed([...own, 'gone'])).fingerprint).to.not.equal(fingerprint);
  });

  it('a headless import has no address', () => {
    const headless = mergeExports([contribution('cluster1', { type: 'Headless' }).spec]);
    if (headless === undefined) throw new Error('one export must merge');
    expect(importObject(target, headless, derived).object.spec).to.deep.include({ ips: [] });
  });

  it('the derived Service has no selector, and keeps its address and its first family', () => {
    const { spec, metadata } = derivedObject(target, merged, {
      present: derived,
      address: '10.97.0.1',
    });
    expect(metadata.name).to.equal(derivedServiceName('demo', 'web'));
    expect(metadata).to.not.have.property('ownerReferences');
    expect(spec).to.not.have.property('selector');
    expect(spec).to.deep.include({
      clusterIP: '10.97.0.1',
      ipFamilyPolicy: 'SingleStack',
      ipFamilies: ['IPv4'],
    });
  });

  it('the derived Service takes the families of the cluster where both are wanted', () => {
    const both = { ...merged, ipFamilies: ['IPv4', 'IPv6'] as const };
    const { spec } = derivedObject(target, both, { present: undefined, address: undefined });
    expect(spec).to.include({ ipFamilyPolicy: 'PreferDualStack' });
    expect(spec).to.not.have.property('ipFamilies');
  });

  it('a derived Service whose family nobody exports any more cannot serve', () => {
    expect(canServe(derived, { ...merged, ipFamilies: ['IPv6'] })).to.equal(false);
    expect(canServe(derived, { ...merged, ipFamilies: ['IPv6', 'IPv4'] })).to.equal(true);
  });
});
