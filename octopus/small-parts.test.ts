import { expect } from 'chai';
import { silentLogger } from '../process/log.ts';
import { acceptPeers } from './accepted-peers.ts';
import { afterDoubt } from './active-gateway.ts';
import { EndpointLookup } from './endpoint-lookup.ts';
import { renderDot, renderSvg } from './graph.ts';
import { formatTarget, parseInternalAddress, parseTarget } from './host-port.ts';
import { conditionsOf } from './hub-words.ts';
import { generateKeyPair, isWeakKey, presharedKey, publicKeyOf, tunnelAddress } from './key.ts';
import { options } from './options.ts';
import { type NodeFacts, type OwnSettings, ownEndpoint } from './own-endpoint.ts';
import { viewNode } from './own-node.ts';
import { nextStep } from './rotation.ts';
import { planFromHub, renderConf } from './showconf.ts';
import { hubPeer, keyOf, peer } from './testing/peers.ts';

describe('keys', () => {
  it('the public key belongs to the private one', () => {
    const { privateKey, publicKey } = generateKeyPair();
    expect(publicKeyOf(privateKey)).to.equal(publicKey);
    expect(publicKey).to.match(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/);
  });

  it('agrees with what wg pubkey prints', () => {
    expect(publicKeyOf('BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=')).to.equal(
      'E75P6uryBMf9M1j8nAByGIHRdCeBKCJ+xnTzf3/pe20=',
    );
  });

  it('refuses a private key that is none, and does not repeat it', () => {
    for (const bad of ['', 'short', `${'A'.repeat(44)}=`]) {
      expect(() => publicKeyOf(bad)).to.throw(RangeError, 'must be base64 of 32 bytes');
    }
  });

  it('knows points of small order, with the top bit too', () => {
    expect(isWeakKey(Buffer.alloc(32).toString('base64'))).to.equal(true);
    const one = Buffer.alloc(32);
    one[0] = 1;
    one[31] = 0x80;
    expect(isWeakKey(one.toString('base64'))).to.equal(true);
    expect(isWeakKey(generateKeyPair().publicKey)).to.equal(false);
  });

  it('a pair has one pre-shared key, whatever the order; names cannot be mixed', () => {
    const secret = Buffer.from('0123456789abcdef');
    expect(presharedKey(secret, 'a', 'b')).to.equal(presharedKey(secret, 'b', 'a'));
    expect(presharedKey(secret, 'a', 'b')).to.not.equal(presharedKey(secret, 'a', 'b.c'));
    expect(presharedKey(secret, 'a', 'b')).to.not.equal(
      presharedKey(Buffer.from('0123456789abcdeF'), 'a', 'b'),
    );
  });

  it('addresses inside the tunnels are link-local, canonical, and different', () => {
    const addresses = Array.from({ length: 2_000 }, (_, index) => tunnelAddress(`cluster${index}`));
    expect(new Set(addresses).size).to.equal(2_000);
    for (const address of addresses)
      expect(address).to.match(/^fe80::([1-9a-f][0-9a-f]{0,3}:){3}[1-9a-f][0-9a-f]{0,3}$/);
  });
});

describe('parseTarget', () => {
  for (const [text, wanted] of [
    ['198.51.100.7', '198.51.100.7:31820'],
    ['198.51.100.7:443', '198.51.100.7:443'],
    ['gw.example.com', 'gw.example.com:31820'],
    ['gw.example.com:53', 'gw.example.com:53'],
    ['2001:db8::1', '[2001:db8::1]:31820'],
    ['[2001:db8::1]:99', '[2001:db8::1]:99'],
    ['[2001:db8::1]', '[2001:db8::1]:31820'],
  ] as const) {
    it(`reads ${text}`, () => {
      const target = parseTarget(text, 31_820);
      expect(target && formatTarget(target)).to.equal(wanted);
    });
  }
  for (const bad of [
    '',
    ':1',
    'a:0',
    'a:65536',
    'a b',
    '1.2.3',
    '1.2.3.4.5',
    'fe80::1%eth0',
    '[fe80::1%eth0]:1',
    '[1.2.3.4]:1',
    '-a',
    'a:1:2',
    'a\n',
    'a;b',
    `${'a'.repeat(64)}.b`,
  ]) {
    it(`refuses ${JSON.stringify(bad)}`, () => {
      expect(parseTarget(bad, 1)).to.equal(undefined);
    });
  }
  it('internal addresses may have a prefix', () => {
    expect(parseInternalAddress('10.0.0.7/24')).to.equal('10.0.0.7');
    expect(parseInternalAddress('fd00::7')).to.equal('fd00::7');
    for (const bad of ['', 'x', '10.0.0.7/24/1', '10.0.0/24', '10.0.0.1/x'])
      expect(parseInternalAddress(bad)).to.equal(undefined);
  });
});

describe('addresses of the own pod', () => {
  const read = (text: string) => options.podIps.parser.parse(text);

  it('are one, or one a family, as the downward API writes them', () => {
    expect(read('10.244.0.7')).to.deep.equal(['10.244.0.7']);
    expect(read('10.244.0.7,fd00::7')).to.deep.equal(['10.244.0.7', 'fd00::7']);
  });

  it('are refused where anything is no address', () => {
    for (const text of ['', 'x', '10.244.0.7,', '10.244.0.7/24', '10.244.0.7 fd00::7'])
      expect(read(text), text).to.equal(undefined);
  });
});

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

describe('EndpointLookup', () => {
  let answers: Record<string, readonly string[] | Error>;
  let changes: number;
  let lookup: EndpointLookup;
  const settled = () => new Promise(resolve => setImmediate(resolve));
  beforeEach(() => {
    answers = { 'gw.example.com': ['203.0.113.1', '203.0.113.2'] };
    changes = 0;
    lookup = new EndpointLookup({
      log: silentLogger(),
      onChange: () => changes++,
      lookup: async name => {
        const answer = answers[name] ?? new Error('ENOTFOUND');
        if (answer instanceof Error) throw answer;
        return answer;
      },
    });
    lookup.set(
      new Map([
        ['a', { host: 'gw.example.com', port: 9 }],
        ['b', { host: '203.0.113.7', port: 1 }],
      ]),
      [],
    );
  });

  it('addresses are there at once, names when they are known', async () => {
    expect([...lookup.endpoints]).to.deep.equal([['b', '203.0.113.7:1']]);
    await settled();
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.1:9');
    expect(changes).to.equal(1);
  });

  it('an answer that still has the address changes nothing, whatever its order', async () => {
    await settled();
    answers['gw.example.com'] = ['203.0.113.2', '203.0.113.1'];
    await lookup.refresh(new Set());
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.1:9');
    expect(changes).to.equal(1);
  });

  it('a changed answer is taken, a failed one is not', async () => {
    await settled();
    answers['gw.example.com'] = ['203.0.113.3'];
    await lookup.refresh(new Set());
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.3:9');
    answers['gw.example.com'] = new Error('SERVFAIL');
    await lookup.refresh(new Set());
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.3:9');
  });

  it('where nobody answers the next address of the name is tried', async () => {
    await settled();
    await lookup.refresh(new Set(['a']));
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.2:9');
    await lookup.refresh(new Set(['a']));
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.1:9');
  });

  it('a name that leads to a reserved address is not followed', async () => {
    answers['gw.example.com'] = ['127.0.0.1', '169.254.169.254', '203.0.113.8'];
    lookup.set(new Map([['a', { host: 'gw.example.com', port: 10 }]]), []);
    await settled();
    expect(lookup.endpoints.get('a')).to.equal('203.0.113.8:10');
  });
});

describe('nextStep', () => {
  const facts = { ageMs: 10, rotateMs: 5, hasNext: false, isTold: false, unaware: 0 };
  for (const [what, more, step] of [
    ['a young key stays', { ageMs: 4 }, 'wait'],
    ['an old one gets a successor', {}, 'make-next'],
    ['never, where it is off', { rotateMs: 0, ageMs: 1e12 }, 'wait'],
    ['a successor that is not told waits', { hasNext: true }, 'wait'],
    ['one that somebody does not know waits', { hasNext: true, isTold: true, unaware: 1 }, 'wait'],
    ['else it comes into use', { hasNext: true, isTold: true }, 'change'],
    [
      'also where changes were switched off meanwhile',
      { hasNext: true, isTold: true, rotateMs: 0 },
      'change',
    ],
  ] as const) {
    it(what, () => {
      expect(nextStep({ ...facts, ...more })).to.equal(step);
    });
  }
});

describe('afterDoubt', () => {
  for (const [holder, isHeard, wanted] of [
    ['unreachable', true, 'stay'],
    ['unreachable', false, 'yield'],
    ['me', false, 'stay'],
    ['', true, 'stay'],
    [undefined, true, 'stay'],
    ['other', true, 'yield'],
  ] as const) {
    it(`${holder === undefined ? 'no lease' : `lease of "${holder}"`}, ${isHeard ? '' : 'not '}heard: ${wanted}`, () => {
      expect(afterDoubt(holder, 'me', isHeard)).to.equal(wanted);
    });
  }
});

describe('conditionsOf', () => {
  const peers = [hubPeer(), peer('a', { cidr: '10.113.0.0/16' }), peer('bad', { cidr: '0.0.0.0/0' })];
  const acceptance = acceptPeers(peers, { self: 'hub', maxPeers: 5 });
  const link = { state: 'Connected', loss: 0, goodInRow: 1, lostInRow: 0 } as const;
  const said = (id: string, more: { answeredAt?: number } | undefined, now: number) =>
    conditionsOf(
      peers.find(one => one.spec.cluster_id === id) as never,
      acceptance,
      more && { ...link, ...more },
      { now, since: 0 },
    ).map(({ type, status, reason }) => `${type} ${status} ${reason}`);
  it('a refused Peer is told why', () => {
    expect(said('bad', undefined, 0)).to.deep.equal(['TunnelAccepted False TooBroad']);
  });
  it('ready while it answers, not ready after a minute, nothing before', () => {
    const accepted = 'TunnelAccepted True Accepted';
    expect(said('a', { answeredAt: 1_000 }, 60_999)).to.deep.equal([accepted, 'GatewayReady True Answers']);
    expect(said('a', { answeredAt: 1_000 }, 61_001)).to.deep.equal([accepted, 'GatewayReady False NoAnswer']);
    expect(said('a', {}, 59_000)).to.deep.equal([accepted]);
    expect(said('a', {}, 61_000)).to.deep.equal([accepted, 'GatewayReady False NoAnswer']);
  });
});

describe('showconf and graph', () => {
  const acceptance = acceptPeers(
    [
      hubPeer(),
      peer('a', { cidr: '10.113.0.0/16', endpoint: '203.0.113.1' }),
      peer('b', { cidr: '10.114.0.0/16', location: '<eu>"' }),
      peer('x', { cidr: '0.0.0.0/0' }),
    ],
    { self: 'hub', maxPeers: 9 },
  );
  it('shows a configuration without secrets', () => {
    const plan = planFromHub('b', acceptance, 'full', {
      ...{
        device: 'wg0',
        clusterDevice: 'eth-ovn',
        listenPort: 31_820,
        probePort: 31_821,
        underlayMtu: 1_500,
      },
      ...{ keepalive: 10, relay: true, managesClusterAddress: false },
    });
    const conf = renderConf(plan);
    expect(conf).to.match(/^\[Interface\]\nListenPort = 31820\n# PrivateKey is in the Secret/);
    expect(conf)
      .to.include(`# a\n[Peer]\nPublicKey = ${keyOf('a')}`)
      .and.include('Endpoint = 203.0.113.1:31820');
    expect(conf).to.not.match(/^PrivateKey/m);
  });
  it('draws DOT, each tunnel once, from who dials', () => {
    const dot = renderDot(acceptance, 'full');
    expect(dot).to.include('"a" -> "b" [dir=back];').and.include('"b" -> "hub" [dir=forward, style=dotted];');
    expect(dot).to.include('"a" -> "hub" [dir=both, style=dotted];');
    expect(dot.match(/ -> /g)).to.have.length(3);
    expect(dot).to.include('"x" [shape=ellipse, style=dashed, color=red];').and.include('<eu>\\"');
  });
  it('draws SVG that is well formed, whatever names are', () => {
    const svg = renderSvg(acceptance, 'full');
    expect(svg.match(/<line /g)).to.have.length(3);
    expect(svg).to.include('&lt;eu&gt;&quot;').and.not.include('<eu>');
    expect(svg.match(/<g>/g)?.length).to.equal(svg.match(/<\/g>/g)?.length);
  });
});
