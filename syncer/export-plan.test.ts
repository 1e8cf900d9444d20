import { expect } from 'chai';
import type { EndpointSlice } from '../api/endpoint-slice.ts';
import { hubLabels, managedBy, managedByLabel } from '../api/names.ts';
import { hubObjectName } from '../api/object-names.ts';
import { asked, service } from './export.fixture.ts';
import { type ExportInputs, type HubState, planExport, planHubChanges } from './export-plan.ts';
import { podAddresses } from './published-addresses.ts';
import { contentOf, readSliceText, sliceText } from './slice-content.ts';
import { readHubSlice, type SourceSlice } from './slice-views.ts';
import { readHubExport, type SourceService } from './views.ts';

function slice(name: string, fields: Partial<Omit<EndpointSlice, 'metadata'>> = {}): SourceSlice {
  const content: EndpointSlice = {
    metadata: { name, labels: {}, annotations: {} },
    addressType: 'IPv4',
    endpoints: [
      {
        addresses: ['10.1.0.1'],
        ready: true,
        serving: true,
        terminating: false,
        hostname: 'web-0',
        nodeName: 'node-1',
        zone: 'z1',
        targetRef: { kind: 'Pod', namespace: 'demo', name: 'web-0' },
      },
    ],
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    ...fields,
  };
  return {
    kind: 'source',
    namespace: 'demo',
    name,
    service: 'demo/web',
    text: sliceText(contentOf(content)),
  };
}

function inputs(fields: Partial<ExportInputs> = {}): ExportInputs {
  return {
    clusterId: 'cluster1',
    export: asked,
    service: service(),
    unreadable: undefined,
    slices: [slice('web-abc')],
    addresses: podAddresses,
    ...fields,
  };
}

const emptyHub: HubState = {
  shareNamespace: 'syncer-operator',
  clusterId: 'cluster1',
  exports: [],
  slices: [],
  changedAt: () => '2026-05-01T12:00:00.123Z',
};

describe('plan of an export', () => {
  it('keeps what is published while the Service cannot be read', () => {
    const plan = planExport(inputs({ service: undefined, unreadable: 'Cannot read Service demo/web as …' }));
    expect(plan.kind).to.equal('unreadable');
    const changes = planHubChanges(plan, {
      ...emptyHub,
      slices: [{ name: 'x', service: 'demo/web', clusterId: 'cluster1', fingerprint: '' }],
    });
    expect(changes.remove).to.deep.equal({ exportedServices: [], slices: [] });
  });

  it('goes on with the last readable state of a Service that was known', () => {
    expect(planExport(inputs({ unreadable: 'Cannot read …' })).kind).to.equal('exported');
  });

  const refusals: readonly [string, Partial<ExportInputs>, string][] = [
    ['there is no Service', { service: undefined }, 'NoService'],
    [
      'the Service is an ExternalName',
      { service: service({ type: 'ExternalName', ports: [] }) },
      'InvalidServiceType',
    ],
    [
      'the Service is the VIP of an import',
      {
        service: {
          kind: 'derived',
          namespace: 'demo',
          name: 'derived-x',
          service: 'demo/y',
          fingerprint: '',
          clusterIps: [],
          ipFamilies: [],
        },
      },
      'InvalidServiceType',
    ],
    [
      'a weight is none',
      { export: { ...asked, steering: { 'nauti.io/weight': '-1' } } },
      'InvalidAnnotation',
    ],
    [
      'the importers are no ids: it must not be open to all',
      { export: { ...asked, steering: { 'nauti.io/allowed-importers': 'cluster2;cluster3' } } },
      'InvalidAnnotation',
    ],
  ];
  for (const [title, fields, reason] of refusals) {
    it(`is refused where ${title}`, () => {
      const plan = planExport(inputs(fields));
      expect(plan).to.include({ kind: 'refused', reason });
      expect((plan as { message: string }).message).to.not.equal('');
    });
  }

  it('is withdrawn where nobody asks, or no longer', () => {
    expect(planExport(inputs({ export: undefined }))).to.deep.equal({ kind: 'withdrawn' });
    expect(planExport(inputs({ export: { ...asked, deleting: true } }))).to.deep.equal({ kind: 'withdrawn' });
  });

  const types: readonly [string, Partial<SourceService['spec']>, string][] = [
    ['ClusterIP', {}, 'ClusterSetIP'],
    ['NodePort', { type: 'NodePort' }, 'ClusterSetIP'],
    ['LoadBalancer', { type: 'LoadBalancer' }, 'ClusterSetIP'],
    ['headless', { clusterIP: 'None' }, 'Headless'],
  ];
  for (const [title, fields, type] of types) {
    it(`exports a Service of type ${title} as ${type}`, () => {
      const plan = planExport(inputs({ service: service(fields) }));
      expect(plan.kind === 'exported' && plan.spec.type).to.equal(type);
    });
  }

  it('says what the importers need of the Service and the export', () => {
    const plan = planExport(
      inputs({
        service: service({
          ports: [
            { name: 'b', protocol: 'TCP', port: 90, appProtocol: 'h2c' },
            { name: 'a', protocol: 'UDP', port: 53 },
          ],
          sessionAffinity: 'ClientIP',
          sessionAffinityConfig: { clientIP: { timeoutSeconds: 30 } },
          trafficDistribution: 'PreferClose',
          publishNotReadyAddresses: true,
        }),
        export: {
          ...asked,
          steering: { 'nauti.io/weight': '5', 'nauti.io/allowed-importers': 'cluster3, cluster2' },
        },
      }),
    );
    expect(plan.kind === 'exported' && plan.spec).to.deep.equal({
      clusterId: 'cluster1',
      namespace: 'demo',
      name: 'web',
      exportedAt: '2026-05-01T12:00:00Z',
      type: 'ClusterSetIP',
      ports: [
        { name: 'a', protocol: 'UDP', port: 53 },
        { name: 'b', protocol: 'TCP', port: 90, appProtocol: 'h2c' },
      ],
      ipFamilies: ['IPv4'],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 30 } },
      internalTrafficPolicy: 'Cluster',
      trafficDistribution: 'PreferClose',
      publishNotReadyAddresses: true,
      exportedLabels: { tier: 'front' },
      exportedAnnotations: {},
      routing: { weight: 5, priority: 0 },
      allowedImporters: ['cluster2', 'cluster3'],
    });
  });

  it('leaves out slices of names instead of addresses', () => {
    const fqdn = slice('web-names', { addressType: 'FQDN' });
    const plan = planExport(inputs({ slices: [fqdn, slice('web-abc')] }));
    expect(plan.kind === 'exported' && plan.slices.map(one => one.name)).to.deep.equal(['web-abc']);
  });

  it('is not misled by names that look like conditions', () => {
    const endpoints = [
      {
        addresses: ['10.1.0.1'],
        ready: true,
        serving: true,
        terminating: false,
        nodeName: '"terminating":true',
      },
    ];
    const plan = planExport(inputs({ slices: [slice('web-abc', { endpoints })] }));
    const text = plan.kind === 'exported' ? (plan.slices[0]?.text ?? '') : '';
    expect(readSliceText(text).endpoints[0]).to.deep.include({
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: '"terminating":true',
    });
  });

  const readiness: readonly [
    string,
    boolean,
    { ready: boolean; serving: boolean; terminating: boolean },
    boolean,
  ][] = [
    ['ready', false, { ready: true, serving: true, terminating: false }, true],
    ['not ready', false, { ready: false, serving: false, terminating: false }, false],
    ['not ready, published all the same', true, { ready: false, serving: false, terminating: false }, true],
    ['terminating and still serving', false, { ready: false, serving: true, terminating: true }, false],
    [
      'terminating, and called ready by hand',
      false,
      { ready: true, serving: true, terminating: true },
      false,
    ],
    ['terminating, published all the same', true, { ready: false, serving: true, terminating: true }, true],
  ];
  for (const [title, publishNotReadyAddresses, conditions, ready] of readiness) {
    it(`an endpoint that is ${title}: ready is ${ready}`, () => {
      const one = slice('web-abc', { endpoints: [{ addresses: ['10.1.0.1'], ...conditions }] });
      const plan = planExport(inputs({ slices: [one], service: service({ publishNotReadyAddresses }) }));
      const text = plan.kind === 'exported' ? (plan.slices[0]?.text ?? '') : '';
      expect(readSliceText(text).endpoints[0]?.conditions).to.deep.equal({ ...conditions, ready });
    });
  }
});

describe('changes on the hub', () => {
  const plan = planExport(inputs());
  const written = planHubChanges(plan, emptyHub);

  /** The hub as it is after the changes. */
  function hubAfter({ apply }: typeof written): HubState {
    return {
      ...emptyHub,
      exports: apply.exportedService ? [readHubExport(apply.exportedService)] : [],
      slices: apply.slices.flatMap(object => readHubSlice(object, 'cluster1') ?? []),
    };
  }

  it('are the contract: names, labels, and all that an endpoint says', () => {
    const [object] = written.apply.slices;
    expect(object?.metadata).to.deep.equal({
      namespace: 'syncer-operator',
      name: 'cluster1-demo-web-abc',
      labels: {
        [hubLabels.clusterId]: 'cluster1',
        [hubLabels.serviceNamespace]: 'demo',
        [hubLabels.serviceName]: 'web',
        'kubernetes.io/service-name': 'derived-cluster1-demo-9df5ftnb5t',
        [managedByLabel]: managedBy,
      },
      annotations: { 'nauti.io/changed-at': '2026-05-01T12:00:00.123Z' },
    });
    expect(object).to.deep.include({
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints: [
        {
          addresses: ['10.1.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: 'web-0',
          nodeName: 'node-1',
          zone: 'z1',
          targetRef: { kind: 'Pod', namespace: 'demo', name: 'web-0' },
        },
      ],
    });
    expect(written.apply.exportedService?.metadata.name).to.equal('cluster1-demo-web');
  });

  it('are none where the hub has it all, whatever the time of the change is', () => {
    const after = planHubChanges(plan, { ...hubAfter(written), changedAt: () => '2027-01-01T00:00:00.000Z' });
    expect(after).to.deep.equal({
      apply: { exportedService: undefined, slices: [] },
      remove: { exportedServices: [], slices: [] },
    });
  });

  it('are only the slice that differs', () => {
    const two = [slice('web-abc'), slice('web-def', { endpoints: [] })];
    const before = planHubChanges(planExport(inputs({ slices: two })), emptyHub);
    const changed = [slice('web-abc'), slice('web-def')];
    const changes = planHubChanges(planExport(inputs({ slices: changed })), hubAfter(before));
    expect(changes.apply.exportedService).to.equal(undefined);
    expect(changes.apply.slices.map(object => object.metadata.name)).to.deep.equal(['cluster1-demo-web-def']);
    expect(changes.remove).to.deep.equal({ exportedServices: [], slices: [] });
  });

  it('remove all of a service that is withdrawn or refused, and slices that are gone', () => {
    for (const gone of [inputs({ export: undefined }), inputs({ service: undefined })]) {
      const changes = planHubChanges(planExport(gone), hubAfter(written));
      expect(changes.remove).to.deep.equal({
        exportedServices: ['cluster1-demo-web'],
        slices: ['cluster1-demo-web-abc'],
      });
      expect(changes.apply).to.deep.equal({ exportedService: undefined, slices: [] });
    }
    const fewer = planHubChanges(planExport(inputs({ slices: [] })), hubAfter(written));
    expect(fewer.remove.slices).to.deep.equal(['cluster1-demo-web-abc']);
    expect(fewer.remove.exportedServices).to.deep.equal([]);
  });

  it('replace what stands under a name of an older way of naming', () => {
    const [one] = hubAfter(written).exports;
    if (one === undefined) throw new Error('nothing was written');
    const changes = planHubChanges(plan, { ...emptyHub, exports: [{ ...one, objectName: 'cluster1-old' }] });
    expect(changes.apply.exportedService?.metadata.name).to.equal('cluster1-demo-web');
    expect(changes.remove.exportedServices).to.deep.equal(['cluster1-old']);
  });

  it('never mix two services up, however their names are cut', () => {
    expect(hubObjectName('a', 'b', 'c-d')).to.not.equal(hubObjectName('a', 'b-c', 'd'));
    expect(hubObjectName('a-b', 'c', 'd')).to.not.equal(hubObjectName('a', 'b-c', 'd'));
  });
});
