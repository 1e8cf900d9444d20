import { expect } from 'chai';
import { parseEndpointSlice } from './endpoint-slice.ts';
import { exportedServiceObject, parseExportedService } from './exported-service.ts';
import { parsePeer } from './peer.ts';
import { isReady, parsePod } from './pod.ts';
import { isHeadless, parseService } from './service.ts';
import { parseServiceExport, steeringOf } from './service-export.ts';
import { parseServiceImport } from './service-import.ts';

describe('EndpointSlice', () => {
  const slice = (change: object) => ({
    metadata: { name: 's', namespace: 'demo' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.0.1'] }],
    ports: [{ port: 80 }],
    ...change,
  });

  it('resolves conditions as the API defines them', () => {
    const conditions = [
      undefined,
      { ready: false },
      { ready: false, serving: true, terminating: true },
      { ready: null },
    ];
    const { endpoints } = parseEndpointSlice(
      slice({ endpoints: conditions.map(conditions => ({ addresses: ['10.1.0.1'], conditions })) }),
    );
    expect(endpoints.map(({ ready, serving, terminating }) => [ready, serving, terminating])).to.deep.equal([
      [true, true, false],
      [false, false, false],
      [false, true, true],
      [true, true, false],
    ]);
  });

  it('keeps names, places and references, and an unnamed port without a name', () => {
    const endpoint = {
      addresses: ['fd00::1'],
      hostname: 'web-0',
      nodeName: 'n1',
      zone: 'z1',
      targetRef: { kind: 'Pod', namespace: 'demo', name: 'web-0', uid: 'u' },
    };
    const parsed = parseEndpointSlice(
      slice({ addressType: 'IPv6', endpoints: [endpoint], ports: [{ name: '', protocol: 'UDP', port: 53 }] }),
    );
    expect(parsed.endpoints[0]).to.deep.equal({
      ...endpoint,
      ready: true,
      serving: true,
      terminating: false,
    });
    expect(parsed.ports).to.deep.equal([{ protocol: 'UDP', port: 53 }]);
  });

  it('takes null for no endpoints and no ports', () => {
    expect(parseEndpointSlice(slice({ endpoints: null, ports: null }))).to.deep.include({
      endpoints: [],
      ports: [],
    });
  });

  const bad: readonly [change: object, says: string][] = [
    [
      { endpoints: [{ addresses: ['fd00::1'] }] },
      'endpoints[0].addresses[0] must be an IPv4 address: current value is "fd00::1"',
    ],
    [
      { addressType: 'IPv6' },
      'endpoints[0].addresses[0] must be an IPv6 address: current value is "10.1.0.1"',
    ],
    [
      { addressType: 'IPv6', endpoints: [{ addresses: ['fe80::1%eth0'] }] },
      'endpoints[0].addresses[0] must be an IPv6 address',
    ],
    [{ endpoints: [{ addresses: [] }] }, 'endpoints[0].addresses must be a list of 1 to 100'],
    [
      { endpoints: [{ addresses: ['10.1.0.1'], hostname: 'a.b' }] },
      'endpoints[0].hostname must be a DNS label',
    ],
    [{ addressType: 'ipv4' }, 'addressType must be one of IPv4, IPv6, FQDN: current value is "ipv4"'],
    [
      { ports: [{ port: 65_536 }] },
      'ports[0].port must be an integer from 1 to 65535: current value is 65536',
    ],
    [
      { endpoints: new Array(1001).fill({ addresses: ['10.1.0.1'] }) },
      'endpoints must be a list of at most 1000',
    ],
  ];
  for (const [change, says] of bad) {
    it(`says: ${says}`, () => {
      expect(() => parseEndpointSlice(slice(change))).to.throw(`Cannot read EndpointSlice demo/s as ${says}`);
    });
  }
});

describe('Service', () => {
  const service = (spec: object) => parseService({ metadata: { name: 'web', namespace: 'demo' }, spec });

  it('is headless without an address of its own', () => {
    expect(isHeadless(service({ clusterIP: 'None', clusterIPs: ['None'] }))).to.equal(true);
    expect(isHeadless(service({ clusterIP: '10.96.0.9' }))).to.equal(false);
    expect(isHeadless(service({ type: 'ExternalName', externalName: 'example.com' }))).to.equal(false);
  });

  it('has the defaults of the API', () => {
    const { spec } = service({ clusterIP: '10.96.0.9', ports: [{ port: 80, targetPort: 'http' }] });
    expect(spec).to.include({ type: 'ClusterIP', sessionAffinity: 'None', publishNotReadyAddresses: false });
    expect(spec.ports).to.deep.equal([{ protocol: 'TCP', port: 80 }]);
  });

  it('is refused with an address that is none', () => {
    expect(() => service({ clusterIP: 'none' })).to.throw('spec.clusterIP must be an IP address or None');
  });
});

describe('ServiceExport', () => {
  it('may be without spec and status', () => {
    expect(parseServiceExport({ metadata: { name: 'web', namespace: 'demo' } })).to.deep.include({
      spec: { exportedLabels: {}, exportedAnnotations: {} },
      status: { conditions: [] },
    });
  });

  it('is steered by annotations', () => {
    expect(steeringOf({})).to.deep.equal({});
    expect(steeringOf({ 'nauti.io/weight': '0' })).to.deep.equal({ routing: { weight: 0, priority: 0 } });
    expect(steeringOf({ 'nauti.io/priority': '2' })).to.deep.equal({ routing: { weight: 1, priority: 2 } });
    expect(steeringOf({ 'nauti.io/allowed-importers': 'b, a.eu,b' })).to.deep.equal({
      allowedImporters: ['a.eu', 'b'],
    });
    expect(steeringOf({ 'nauti.io/allowed-importers': '' })).to.deep.equal({ allowedImporters: [] });
  });

  const bad: readonly [annotations: Record<string, string>, says: string][] = [
    [
      { 'nauti.io/weight': '65536' },
      'metadata.annotations["nauti.io/weight"] must be an integer from 0 to 65535: current value is "65536"',
    ],
    [{ 'nauti.io/weight': '-1' }, 'must be an integer from 0 to 65535'],
    [{ 'nauti.io/priority': 'high' }, 'metadata.annotations["nauti.io/priority"] must be'],
    [{ 'nauti.io/allowed-importers': 'a b' }, 'must be a list of at most 1024 cluster ids'],
  ];
  for (const [annotations, says] of bad) {
    it(`says: ${says}`, () => {
      expect(() => steeringOf(annotations)).to.throw(says);
    });
  }
});

describe('ServiceImport', () => {
  it('is read with what mcs-api has', () => {
    const spec = { type: 'ClusterSetIP', ports: [{ port: 80 }], ips: ['10.96.7.7'] };
    expect(parseServiceImport({ metadata: { name: 'web', namespace: 'demo' }, spec })).to.deep.include({
      spec: { ...spec, ports: [{ protocol: 'TCP', port: 80 }], ipFamilies: [], sessionAffinity: 'None' },
      status: { clusters: [], conditions: [] },
    });
  });
});

describe('ExportedService', () => {
  const spec = {
    clusterId: 'prod-eu',
    namespace: 'demo',
    name: 'web',
    exportedAt: '2025-03-01T12:00:00Z',
    type: 'ClusterSetIP',
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    ipFamilies: ['IPv4'],
    sessionAffinity: 'None',
    exportedLabels: {},
    exportedAnnotations: {},
  } as const;

  it('is read as it was written, under the name and labels that the hub wants', () => {
    const object = exportedServiceObject('syncer-operator', spec);
    expect(parseExportedService(object).spec).to.deep.equal(spec);
    expect(object.metadata.name).to.match(/^prod-eu-demo-web-[0-9a-v]{10}1$/);
    expect(object.metadata.labels).to.deep.equal({
      'services.nauti.io/multi-cluster-cluster-ID': 'prod-eu',
      'services.nauti.io/multi-cluster-service-LocalNamespace': 'demo',
      'services.nauti.io/multi-cluster-service-name': 'web',
    });
  });

  it('names the field that is wrong', () => {
    const object = { metadata: { name: 'prod-eu-demo-web' }, spec: { ...spec, ports: [{ port: 70_000 }] } };
    expect(() => parseExportedService(object)).to.throw(
      'Cannot read ExportedService prod-eu-demo-web as spec.ports[0].port must be an integer from 1 to 65535: current value is 70000',
    );
  });
});

describe('Peer', () => {
  const peer = (spec: object) =>
    parsePeer({ metadata: { name: 'cluster1' }, spec: { cluster_id: 'cluster1', ...spec } });

  it('may be an id without anything yet', () => {
    expect(peer({}).spec).to.deep.equal({
      cluster_id: 'cluster1',
      cluster_cidr: [],
      ishub: false,
      isPublic: false,
    });
  });

  it('takes addresses and names for an endpoint, and nothing that a shell or a file would read otherwise', () => {
    for (const endpoint of ['198.51.100.10', '2001:db8::1', 'gw.example.com']) {
      expect(peer({ endpoint }).spec.endpoint).to.equal(endpoint);
    }
    for (const endpoint of ['a b', '$(id)', 'a\nb', '-a', 'a"b', '198.51.100.10:31820']) {
      expect(() => peer({ endpoint }), endpoint).to.throw(
        'spec.endpoint must be an IP address or a DNS name',
      );
    }
  });

  it('takes only canonical base64 of 32 bytes for a key', () => {
    const key = Buffer.alloc(32, 200).toString('base64');
    expect(peer({ public_key: key }).spec.public_key).to.equal(key);
    for (const bad of [key.slice(0, 43), `${key}=`, `${key.slice(0, 42)}B=`, key.replace(/.$/, 'A')]) {
      expect(() => peer({ public_key: bad }), bad).to.throw('spec.public_key must be a WireGuard public key');
    }
  });
});

describe('Pod', () => {
  it('is read with its addresses', () => {
    const pod = parsePod({
      metadata: { name: 'p', namespace: 'demo' },
      spec: { containers: [] },
      status: {
        phase: 'Running',
        podIPs: [{ ip: '10.1.0.1' }],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    });
    expect(pod.status.podIPs).to.deep.equal(['10.1.0.1']);
    expect(pod.spec).to.deep.equal({ hostNetwork: false, restartPolicy: 'Always' });
    expect(isReady(pod)).to.equal(true);
  });
});
