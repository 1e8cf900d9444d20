import { expect } from 'chai';
import { formatTarget } from './host-port.ts';
import { type NodeFacts, type OwnSettings, ownEndpoint } from './own-endpoint.ts';
import { viewNode } from './own-node.ts';

describe('ownEndpoint', () => {
  const settings: OwnSettings = {
    endpoint: undefined,
    internalIp: undefined,
    location: undefined,
    keepalive: 10,
    endpointPort: 31_820,
    isPublic: 'auto',
  };
  const node = (
    annotations: Record<string, string>,
    externalIps: string[] = [],
    labels: Record<string, string> = {},
    internalIps: string[] = ['10.0.0.7'],
  ): NodeFacts => ({ annotations, labels, externalIps, internalIps });
  const flag = { host: 'flag.example.com', port: 4 };
  const device = ['203.0.113.9'];
  const cases: readonly (readonly [
    string,
    Partial<OwnSettings>,
    NodeFacts | undefined,
    readonly string[],
    string | undefined,
    boolean,
  ])[] = [
    [
      'the annotation beats all',
      { endpoint: flag },
      node({ 'nauti.io/force-endpoint': 'a.example.com:7' }, ['203.0.113.1']),
      device,
      'a.example.com:7',
      true,
    ],
    [
      'an annotation without port has the usual one',
      {},
      node({ 'nauti.io/force-endpoint': '203.0.113.5' }),
      [],
      '203.0.113.5:31820',
      true,
    ],
    ['then the flag', { endpoint: flag }, node({}, ['203.0.113.1']), device, 'flag.example.com:4', true],
    ["then the node's ExternalIP", {}, node({}, ['203.0.113.1']), device, '203.0.113.1:31820', true],
    ['a private ExternalIP is none', {}, node({}, ['10.0.0.1']), device, '203.0.113.9:31820', true],
    ['then the device', {}, node({}), device, '203.0.113.9:31820', true],
    ['a private device is none', {}, node({}), ['192.168.1.5'], undefined, false],
    [
      'unless somebody says that it is public',
      { isPublic: true },
      node({}, [], {}, []),
      ['192.168.1.5'],
      '192.168.1.5:31820',
      true,
    ],
    [
      "before that the node's InternalIP, as the device of a pod leads nowhere",
      { isPublic: true },
      node({}),
      ['192.168.1.5'],
      '10.0.0.7:31820',
      true,
    ],
    [
      "the node's ExternalIP before both",
      { isPublic: true },
      node({}, ['10.9.9.9']),
      ['192.168.1.5'],
      '10.9.9.9:31820',
      true,
    ],
    [
      'an InternalIP is not asked where nobody says so, also if it looks public',
      {},
      node({}, [], {}, ['203.0.113.1']),
      [],
      undefined,
      false,
    ],
    [
      'a public address of one that is not public',
      { isPublic: false },
      undefined,
      device,
      '203.0.113.9:31820',
      false,
    ],
    ['a node port', { endpointPort: 30_000 }, undefined, device, '203.0.113.9:30000', true],
  ];
  for (const [what, more, facts, addresses, endpoint, isPublic] of cases) {
    it(what, () => {
      const own = ownEndpoint({ ...settings, ...more }, facts, addresses);
      expect(own.endpoint && formatTarget(own.endpoint)).to.equal(endpoint);
      expect(own.isPublic).to.equal(isPublic);
    });
  }

  for (const [what, more, host, endpoint] of [
    ['comes before what the node has', {}, '203.0.113.50', '203.0.113.50:443'],
    ['may have a name', {}, 'gw.elb.example.com', 'gw.elb.example.com:443'],
    ['comes after the flag', { endpoint: flag }, '203.0.113.50', 'flag.example.com:4'],
    ['is passed over where its address is private', {}, '10.0.0.50', '203.0.113.1:31820'],
    ['is taken all the same where somebody says so', { isPublic: true }, '10.0.0.50', '10.0.0.50:443'],
  ] as const) {
    it(`a load balancer ${what}`, () => {
      const balancer = { host, port: 443 };
      const own = ownEndpoint({ ...settings, ...more }, node({}, ['203.0.113.1']), device, balancer);
      expect(own.endpoint && formatTarget(own.endpoint)).to.equal(endpoint);
      expect(own.isPublic).to.equal(true);
    });
  }

  it('annotations beat flags, and flags the region', () => {
    const region = { 'topology.kubernetes.io/region': 'r' };
    expect(ownEndpoint(settings, node({}, [], region), []).location).to.equal('r');
    expect(ownEndpoint({ ...settings, location: 'f' }, node({}, [], region), []).location).to.equal('f');
    const said = node(
      {
        'nauti.io/location': 'x',
        'nauti.io/persistent-keepalive': '25',
        'nauti.io/leader': '',
        'nauti.io/force-internal-ip': '10.0.0.7/24',
      },
      [],
      region,
    );
    expect(ownEndpoint(settings, said, [])).to.deep.include({
      location: 'x',
      keepalive: 25,
      wantsToLead: true,
      internal: '10.0.0.7',
      problems: [],
    });
  });

  it('annotations that are nonsense are left out, each with a sentence', () => {
    const bad = node({
      'nauti.io/force-endpoint': 'a b',
      'nauti.io/persistent-keepalive': '-1',
      'nauti.io/force-internal-ip': 'x',
    });
    const { problems, keepalive, endpoint } = ownEndpoint(settings, bad, []);
    expect(problems.map(text => text.split(' ')[4])).to.have.members([
      'nauti.io/force-endpoint',
      'nauti.io/force-internal-ip',
      'nauti.io/persistent-keepalive',
    ]);
    expect({ keepalive, endpoint }).to.deep.equal({ keepalive: 10, endpoint: undefined });
  });

  it('reads a Node, and of a hostile one what can be read', () => {
    const read = viewNode({
      metadata: {
        name: 'n',
        annotations: { 'nauti.io/location': 'eu', other: 'x' },
        labels: { 'topology.kubernetes.io/region': 'r' },
      },
      status: {
        addresses: [
          { type: 'ExternalIP', address: '203.0.113.1' },
          { type: 'InternalIP', address: '10.0.0.1' },
          { type: 'ExternalIP', address: 7 },
        ],
      },
    });
    expect(read).to.deep.equal({
      annotations: { 'nauti.io/location': 'eu' },
      labels: { 'topology.kubernetes.io/region': 'r' },
      externalIps: ['203.0.113.1'],
      internalIps: ['10.0.0.1'],
    });
    expect(viewNode({ metadata: {}, status: { addresses: 'x' } })).to.deep.equal({
      annotations: {},
      labels: {},
      externalIps: [],
      internalIps: [],
    });
  });
});
