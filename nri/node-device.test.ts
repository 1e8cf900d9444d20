import { expect } from 'chai';
import { type Allocation, readAllocation } from './allocation.ts';
import { type NodeDevicePlan, nextStep, planNodeDevice } from './node-device.ts';
import { firewallOf, readListing } from './node-firewall.ts';
import type { NodePort } from './node-switch.ts';
import type { ObservedLink, ObservedNamespace } from './observed-nic.ts';

const annotations = {
  'nauti.io/ip_address': '10.113.0.9,fd00:10:113::9',
  'nauti.io/mac_address': '0a:58:0a:71:00:09',
  'nauti.io/cidr': '10.113.0.0/16,fd00:10:113::/64',
  'nauti.io/gateway': '10.113.0.1,fd00:10:113::1',
  'nauti.io/logical_switch': 'default',
  'nauti.io/routes':
    '[{"dst":"10.112.0.0/12","gw":"10.113.0.1"},{"dst":"fd00:10::/32","gw":"fd00:10:113::1"}]',
  'nauti.io/allocated': 'true',
};

function allocation(more: Record<string, string> = {}): Allocation {
  const reading = readAllocation({ ...annotations, ...more });
  if (reading.kind !== 'allocated') throw new Error(JSON.stringify(reading));
  return reading.allocation;
}

const plan: NodeDevicePlan = planNodeDevice('node.example', allocation(), {
  mtu: 1442,
  routeMtu: 1420,
  ownChecksums: true,
});

const link: ObservedLink = {
  name: 'ovn0',
  index: 7,
  peerIndex: undefined,
  kind: 'tun',
  mac: '0a:58:0a:71:00:09',
  mtu: 1442,
  isUp: true,
  takesArp: true,
  addresses: ['10.113.0.9/16', 'fd00:10:113::9/64'],
};
const eth0: ObservedLink = {
  ...link,
  name: 'eth0',
  kind: undefined,
  addresses: ['192.168.7.3/24', 'fd01::3/64'],
};
const host: ObservedNamespace = {
  links: [eth0, link],
  routes: [
    { device: 'ovn0', destination: '10.112.0.0/12', gateway: '10.113.0.1', mtu: 1420 },
    { device: 'ovn0', destination: 'fd00:10::/32', gateway: 'fd00:10:113::1', mtu: 1420 },
  ],
  leavesChecksums: false,
  takesRouters: false,
};
const port: NodePort = {
  name: 'ovn0',
  isOurs: true,
  externalIds: new Map([
    ['iface-id', 'node-node_example'],
    ['node', 'node.example'],
    ['ip', '10.113.0.9,fd00:10:113::9'],
    ['vendor', 'nauti'],
    ['ovn-installed', 'true'],
  ]),
  mac: '0a:58:0a:71:00:09',
  mtu: 1442,
  isSeen: true,
  isDead: false,
};
const without: ObservedNamespace = { ...host, links: [eth0], routes: [] };

describe("the node's own device", () => {
  it('is of the annotations, the underlay and the name of the node', () => {
    expect(plan.port).to.deep.equal({
      name: 'ovn0',
      externalIds: {
        'iface-id': 'node-node_example',
        node: 'node.example',
        ip: '10.113.0.9,fd00:10:113::9',
      },
      mac: '0a:58:0a:71:00:09',
      mtu: 1442,
    });
    expect(plan.nic.routes.map(({ destination, mtu }) => [destination, mtu])).to.deep.equal([
      ['10.112.0.0/12', 1420],
      ['fd00:10::/32', 1420],
    ]);
  });

  const steps: readonly (readonly [string, ObservedNamespace, NodePort | undefined, object])[] = [
    ['nothing, where all is as it should be', host, port, { kind: 'done' }],
    ['a port, where there is nothing', without, undefined, { kind: 'add' }],
    ['a port, where the switch left its device behind', host, undefined, { kind: 'add' }],
    [
      'waiting, while the switch has not seen the port',
      without,
      { ...port, isSeen: false },
      { kind: 'missing', isLost: false },
    ],
    ['a new port, where the device went', without, port, { kind: 'missing', isLost: true }],
    [
      'a new port, where the switch lost the device',
      host,
      { ...port, isDead: true },
      { kind: 'missing', isLost: true },
    ],
    ['another MAC on the port', host, { ...port, mac: '02:00:00:00:00:01' }, { kind: 'set' }],
    ['another MTU on the port', host, { ...port, mtu: undefined }, { kind: 'set' }],
    ['other external ids', host, { ...port, externalIds: new Map([['vendor', 'nauti']]) }, { kind: 'set' }],
    [
      'an address and its routes',
      { ...host, links: [eth0, { ...link, addresses: ['fd00:10:113::9/64'] }], routes: host.routes.slice(1) },
      port,
      {
        kind: 'repair',
        repair: {
          lines: [
            'address add 10.113.0.9/16 dev ovn0',
            'route replace 10.112.0.0/12 via 10.113.0.1 dev ovn0 mtu 1420',
          ],
          checksums: false,
          routers: false,
        },
      },
    ],
    [
      'checksums',
      { ...host, leavesChecksums: true },
      port,
      { kind: 'repair', repair: { lines: [], checksums: true, routers: false } },
    ],
  ];
  for (const [what, observed, found, step] of steps) {
    it(`needs ${what}`, () => expect(nextStep(plan, observed, found)).to.deep.equal(step));
  }

  const refusals: readonly (readonly [string, ObservedNamespace, NodePort | undefined, RegExp])[] = [
    [
      'a device of another kind has its name',
      { ...host, links: [{ ...link, kind: 'dummy' }] },
      undefined,
      /no device of that name/,
    ],
    ['a port of somebody else has its name', host, { ...port, isOurs: false }, /no port of that name/],
    [
      'the node has a network of its own in the block',
      { ...host, links: [{ ...eth0, addresses: ['10.120.3.4/24'] }, link] },
      port,
      /must not be in 10\.112\.0\.0\/12.*eth0 has 10\.120\.3\.4\/24/,
    ],
    [
      'the same in IPv6',
      { ...host, links: [{ ...eth0, addresses: ['fd00:10:7::1/64'] }] },
      undefined,
      /must not be in fd00:10::\/32/,
    ],
  ];
  for (const [what, observed, found, reason] of refusals) {
    it(`is refused where ${what}`, () => {
      const step = nextStep(plan, observed, found);
      expect(step.kind).to.equal('refused');
      expect((step as { reason: string }).reason).to.match(reason);
    });
  }
});

describe("the rules of the node's own device", () => {
  it('masquerade to the address of the family', () => {
    const both = firewallOf('ovn0', ['10.113.0.9', 'fd00:10:113::9']);
    expect(both).to.contain('oifname "ovn0" ip saddr != 10.113.0.9 masquerade\n');
    expect(both).to.contain('oifname "ovn0" ip6 saddr != { fd00:10:113::9, fe80::/10 } masquerade\n');
    expect(firewallOf('ovn0', ['10.113.0.9'])).not.to.contain('ip6 saddr');
    expect(firewallOf('ovn0', ['fd00:10:113::9'])).not.to.contain('ip saddr');
  });

  it('are read without what changes by itself', () => {
    const listing = (packets: number) => `table inet nauti {
	chain forwarded {
		type filter hook forward priority filter; policy accept;
		iifname "ovn0" counter packets ${packets} bytes 60 drop
	}

	chain inbound {
		iifname "ovn0" counter packets 2 bytes 120 drop
	}
}
`;
    expect(readListing(listing(1)).rules).to.equal(readListing(listing(7)).rules);
    expect([...readListing(listing(7)).dropped]).to.deep.equal([
      ['forwarded', 7],
      ['inbound', 2],
    ]);
    expect(readListing(listing(1)).rules).not.to.equal(
      readListing(listing(1).replace('drop', 'accept')).rules,
    );
  });
});
