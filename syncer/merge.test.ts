import { expect } from 'chai';
import type { ExportedServiceSpec } from '../api/exported-service.ts';
import type { ServicePort } from '../api/service-port.ts';
import { type ConflictReason, mergeExports } from './merge.ts';

function spec(clusterId: string, fields: Partial<ExportedServiceSpec> = {}): ExportedServiceSpec {
  return {
    clusterId,
    namespace: 'demo',
    name: 'web',
    exportedAt: '2026-05-01T12:00:00Z',
    type: 'ClusterSetIP',
    ports: [tcp('http', 80)],
    ipFamilies: ['IPv4'],
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    exportedLabels: {},
    exportedAnnotations: {},
    ...fields,
  };
}

function tcp(name: string | undefined, port: number): ServicePort {
  return { ...(name === undefined ? {} : { name }), protocol: 'TCP', port };
}

const younger = { exportedAt: '2026-05-01T12:00:01Z' };

describe('merge of exports', () => {
  it('is nothing where nobody exports', () => {
    expect(mergeExports([])).to.equal(undefined);
  });

  it('takes what the only export says', () => {
    const merged = mergeExports([
      spec('a', { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }),
    ]);
    expect(merged).to.deep.include({
      type: 'ClusterSetIP',
      ports: [tcp('http', 80)],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      clusterIds: ['a'],
      conflicts: [],
    });
  });

  it('does not depend on the order in which the exports are known', () => {
    const exports = [
      spec('b', { ports: [tcp('http', 81)] }),
      spec('a', { ports: [tcp('http', 80), tcp('x', 90)] }),
      spec('c', { ...younger, type: 'Headless' }),
    ];
    const permutations = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ].map(order => order.map(index => exports[index] as ExportedServiceSpec));
    const results = permutations.map(order => mergeExports(order));
    for (const result of results) expect(result).to.deep.equal(results[0]);
  });

  it('lets the oldest win, and of the same age the cluster id in byte order', () => {
    const types = (...exports: ExportedServiceSpec[]) => mergeExports(exports)?.type;
    expect(types(spec('a', younger), spec('b', { type: 'Headless' }))).to.equal('Headless');
    expect(types(spec('b', { type: 'Headless' }), spec('a'))).to.equal('ClusterSetIP');
    expect(types(spec('cluster2'), spec('cluster10', { type: 'Headless' }))).to.equal('Headless');
    expect(types(spec('a-b'), spec('a.b', { type: 'Headless' })), '- is before .').to.equal('ClusterSetIP');
  });

  const conflicts: readonly [
    string,
    Partial<ExportedServiceSpec>,
    Partial<ExportedServiceSpec>,
    ConflictReason[],
  ][] = [
    ['nothing, where all is equal', {}, {}, []],
    [
      'no ports, where their order differs',
      { ports: [tcp('a', 1), tcp('b', 2)] },
      { ports: [tcp('b', 2), tcp('a', 1)] },
      [],
    ],
    [
      'ports, where one has more',
      { ports: [tcp('a', 1)] },
      { ports: [tcp('a', 1), tcp('b', 2)] },
      ['PortConflict'],
    ],
    [
      'ports, where the application protocol differs',
      {},
      { ports: [{ ...tcp('http', 80), appProtocol: 'h2c' }] },
      ['PortConflict'],
    ],
    ['the type', {}, { type: 'Headless' }, ['TypeConflict']],
    [
      'session affinity, and not its configuration with it',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
      {},
      ['SessionAffinityConflict'],
    ],
    [
      'the configuration of session affinity',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } },
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 6 } } },
      ['SessionAffinityConfigConflict'],
    ],
    ['labels', { exportedLabels: { a: '1' } }, {}, ['LabelsConflict']],
    [
      'no labels, where their order differs',
      { exportedLabels: { a: '1', b: '2' } },
      { exportedLabels: { b: '2', a: '1' } },
      [],
    ],
    [
      'annotations',
      { exportedAnnotations: { a: '1' } },
      { exportedAnnotations: { a: '2' } },
      ['AnnotationsConflict'],
    ],
    ['internal traffic policy', {}, { internalTrafficPolicy: 'Local' }, ['InternalTrafficPolicyConflict']],
    ['traffic distribution', { trafficDistribution: 'PreferClose' }, {}, ['TrafficDistributionConflict']],
    ['families', {}, { ipFamilies: ['IPv4', 'IPv6'] }, ['IPFamilyConflict']],
    [
      'no families, where their order differs',
      { ipFamilies: ['IPv6', 'IPv4'] },
      { ipFamilies: ['IPv4', 'IPv6'] },
      [],
    ],
    [
      'all at once, in the order of the list',
      { exportedLabels: { a: '1' } },
      { type: 'Headless', ports: [] },
      ['PortConflict', 'TypeConflict', 'LabelsConflict'],
    ],
  ];
  for (const [title, older, newer, reasons] of conflicts) {
    it(`finds a conflict of ${title}`, () => {
      const merged = mergeExports([spec('b', { ...younger, ...newer }), spec('a', older)]);
      expect(merged?.conflicts).to.deep.equal(reasons.map(reason => ({ reason, clusterIds: ['b'] })));
    });
  }

  it('an absent internal traffic policy is Cluster', () => {
    const { internalTrafficPolicy: _, ...without } = spec('b', younger);
    expect(mergeExports([spec('a'), without])?.conflicts).to.deep.equal([]);
  });

  it('names every cluster that differs, oldest first', () => {
    const merged = mergeExports([
      spec('d', { ...younger, type: 'Headless' }),
      spec('a'),
      spec('c', { type: 'Headless' }),
      spec('b'),
    ]);
    expect(merged?.conflicts).to.deep.equal([{ reason: 'TypeConflict', clusterIds: ['c', 'd'] }]);
    expect(merged?.clusterIds).to.deep.equal(['a', 'b', 'c', 'd']);
  });

  it('has each family once, those of the oldest first', () => {
    const merged = mergeExports([
      spec('a', { ipFamilies: ['IPv6'] }),
      spec('b', { ...younger, ipFamilies: ['IPv4', 'IPv6'] }),
    ]);
    expect(merged?.ipFamilies).to.deep.equal(['IPv6', 'IPv4']);
  });
});

describe('union of ports', () => {
  interface Case {
    readonly title: string;
    readonly a: readonly ServicePort[];
    readonly b: readonly ServicePort[];
    readonly union: readonly ServicePort[];
    readonly namesOfB: Readonly<Record<string, string>>;
  }
  const udp = (name: string, port: number): ServicePort => ({ name, protocol: 'UDP', port });
  const cases: readonly Case[] = [
    {
      title:
        'the same name with another number: the older wins, and the younger cluster gets no traffic of it',
      a: [tcp('http', 80)],
      b: [tcp('http', 81)],
      union: [tcp('http', 80)],
      namesOfB: {},
    },
    {
      title: 'the same name with another protocol is a clash too',
      a: [tcp('dns', 53)],
      b: [udp('dns', 53)],
      union: [tcp('dns', 53)],
      namesOfB: {},
    },
    {
      title: 'the same number under another name is the same port',
      a: [tcp('http', 80)],
      b: [tcp('web', 80)],
      union: [tcp('http', 80)],
      namesOfB: { web: 'http' },
    },
    {
      title: 'two names swapped: each number keeps the older name',
      a: [tcp('x', 1), tcp('y', 2)],
      b: [tcp('y', 1), tcp('x', 2)],
      union: [tcp('x', 1), tcp('y', 2)],
      namesOfB: { y: 'x', x: 'y' },
    },
    {
      title: 'a clash of the name, and the same number under another one',
      a: [tcp('http', 80)],
      b: [tcp('http', 81), tcp('alt', 80)],
      union: [tcp('http', 80)],
      namesOfB: { alt: 'http' },
    },
    {
      title: 'one number of two protocols is two ports',
      a: [tcp('tcp', 42)],
      b: [udp('udp', 42)],
      union: [tcp('tcp', 42), udp('udp', 42)],
      namesOfB: { udp: 'udp' },
    },
    {
      title: 'unnamed ports with different numbers clash by their lack of a name',
      a: [tcp(undefined, 80)],
      b: [tcp(undefined, 81)],
      union: [tcp(undefined, 80)],
      namesOfB: {},
    },
    {
      title: 'an unnamed port gets a name where the union has several',
      a: [tcp(undefined, 80)],
      b: [tcp('tcp-80', 81), tcp('more', 80)],
      union: [tcp('tcp-80-1', 80), tcp('tcp-80', 81)],
      namesOfB: { 'tcp-80': 'tcp-80', more: 'tcp-80-1' },
    },
    {
      title: 'no ports at all',
      a: [],
      b: [tcp('http', 80)],
      union: [tcp('http', 80)],
      namesOfB: { http: 'http' },
    },
  ];
  for (const { title, a, b, union, namesOfB } of cases) {
    it(title, () => {
      const merged = mergeExports([spec('a', { ports: a }), spec('b', { ...younger, ports: b })]);
      expect(merged?.ports).to.deep.equal(union);
      expect(Object.fromEntries(merged?.portNames.get('b') ?? [])).to.deep.equal(namesOfB);
    });
  }
});
