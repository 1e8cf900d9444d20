import { expect } from 'chai';
import type { Peer } from '../api/peer.ts';
import { acceptPeers } from './accepted-peers.ts';
import { formatTarget } from './host-port.ts';
import { presharedKey, tunnelAddress } from './key.ts';
import { type DevicePlan, hubAddress, type LocalFacts, planDevice } from './plan.ts';
import { localFacts } from './testing/local-facts.ts';
import { hubPeer, keyOf, peer } from './testing/peers.ts';
import { linksOf } from './topology.ts';

interface More {
  readonly relayed?: readonly string[];
  readonly changedKeys?: ReadonlyMap<string, string>;
  readonly local?: Partial<LocalFacts>;
  readonly secret?: Buffer;
}

function plan(id: string, peers: readonly Peer[], more: More = {}): DevicePlan {
  const acceptance = acceptPeers(peers, { self: id, maxPeers: 500 });
  const links = linksOf(id, acceptance, 'full');
  const { secret } = more;
  return planDevice({
    local: { ...localFacts, id, ...more.local },
    acceptance,
    links,
    relayed: new Set(more.relayed),
    changedKeys: more.changedKeys ?? new Map(),
    dialled: new Map(
      links.flatMap(({ site, dial }) => (dial ? [[site.id, formatTarget(dial)] as const] : [])),
    ),
    ...(secret && { presharedKeyOf: site => (site.isHub ? undefined : presharedKey(secret, id, site.id)) }),
  });
}

const a = peer('a', { cidr: '10.113.0.0/16', endpoint: '203.0.113.1' });
const b = peer('b', { cidr: '10.114.0.0/16' });
const c = peer('c', { cidr: '10.115.0.0/16' });
const world = [hubPeer(), a, b, c];
const inside = (id: string) => `${tunnelAddress(id)}/128`;
const peersOf = ({ peers }: DevicePlan) => Object.fromEntries(peers.map(({ id, allowed }) => [id, allowed]));

describe('planDevice', () => {
  it('a member: the hub carries everything, direct tunnels their blocks', () => {
    const { peers, mtu, addresses, routes } = plan('b', world);
    expect(peers).to.deep.equal([
      {
        id: 'a',
        key: keyOf('a'),
        endpoint: '203.0.113.1:31820',
        keepalive: 10,
        allowed: ['10.113.0.0/16', inside('a')].sort(),
      },
      {
        id: 'hub',
        key: keyOf('hub'),
        endpoint: '198.51.100.1:31820',
        keepalive: 10,
        allowed: ['10.112.0.0/12', `${hubAddress}/32`, inside('hub')].sort(),
      },
    ]);
    expect(mtu).to.equal(1_420);
    expect(addresses).to.deep.equal(['10.114.0.1/32', `${tunnelAddress('b')}/64`].sort());
    expect(routes).to.deep.equal([
      { family: 4, to: '10.114.0.0/16', kind: 'unreachable' },
      { family: 4, to: '10.112.0.0/12', kind: 'device' },
    ]);
  });

  it('the hub: each member its block, no keepalive to those that dial', () => {
    const made = plan('hub', world);
    expect(peersOf(made)).to.deep.equal({
      a: ['10.113.0.0/16', inside('a')].sort(),
      b: ['10.114.0.0/16', inside('b')].sort(),
      c: ['10.115.0.0/16', inside('c')].sort(),
    });
    expect(made.peers.map(({ keepalive }) => keepalive)).to.deep.equal([10, 0, 0]);
    expect(made.addresses).to.include(`${hubAddress}/32`);
    expect(made.routes).to.deep.equal([{ family: 4, to: '10.112.0.0/12', kind: 'device' }]);
  });

  it('no block is given to two peers', () => {
    for (const id of ['hub', 'a', 'b', 'c']) {
      const all = plan(id, world, { relayed: ['b'] }).peers.flatMap(({ allowed }) => allowed);
      expect(new Set(all).size, id).to.equal(all.length);
    }
  });

  it('a direct link that is not used keeps its address inside, so that probes still go by it', () => {
    expect(peersOf(plan('b', world, { relayed: ['a'] })).a).to.deep.equal([inside('a')]);
  });

  it('without relay nothing goes by the hub', () => {
    expect(peersOf(plan('b', world, { local: { relay: false } })).hub).to.deep.equal(
      [`${hubAddress}/32`, inside('hub')].sort(),
    );
  });

  it('a key that a cluster changed to is used before its Peer says so', () => {
    const { peers } = plan('b', world, { changedKeys: new Map([['a', keyOf('new')]]) });
    expect(peers.find(({ id }) => id === 'a')?.key).to.equal(keyOf('new'));
  });

  it('a pre-shared key is the same at both ends, another for each pair, and none with the hub', () => {
    const secret = Buffer.from('a secret of the members');
    const of = (from: string, to: string) =>
      plan(from, world, { secret }).peers.find(({ id }) => id === to)?.presharedKey;
    expect(of('a', 'b'))
      .to.equal(of('b', 'a'))
      .and.match(/^[A-Za-z0-9+/]{43}=$/);
    expect(of('a', 'c')).to.not.equal(of('a', 'b'));
    expect(of('a', 'hub')).to.equal(undefined);
  });

  it('MTU follows the underlay, and is never less than IPv6 needs', () => {
    expect(plan('b', world, { local: { underlayMtu: 9_000 } }).mtu).to.equal(8_920);
    expect(plan('b', world, { local: { underlayMtu: 1_300 } }).mtu).to.equal(1_280);
  });

  it('a cluster behind a narrower tunnel, its own or the hub’s, gets a route of its own', () => {
    const narrow = [
      hubPeer({ mtu: 1_380 }),
      peer('a', { cidr: '10.113.0.0/16', endpoint: '203.0.113.1', mtu: 1_300 }),
      b,
      c,
    ];
    expect(plan('b', narrow).routes.filter(({ mtu }) => mtu !== undefined)).to.deep.equal([
      { family: 4, to: '10.113.0.0/16', kind: 'device', mtu: 1_300 },
      { family: 4, to: '10.115.0.0/16', kind: 'device', mtu: 1_380 },
    ]);
  });

  it('both families', () => {
    const dual = [
      hubPeer({ cidr: ['10.112.0.0/12', 'fd00:10::/32'] }),
      peer('a', { cidr: ['10.113.0.0/16', 'fd00:10:1::/64'], endpoint: '2001:db8::1' }),
      peer('b', { cidr: ['10.114.0.0/16', 'fd00:10:2::/64'] }),
    ];
    const made = plan('b', dual);
    expect(made.peers[0]).to.deep.include({ endpoint: '[2001:db8::1]:31820' });
    expect(made.peers[0]?.allowed).to.include.members(['10.113.0.0/16', 'fd00:10:1::/64']);
    expect(made.addresses).to.include.members(['10.114.0.1/32', 'fd00:10:2::1/128']);
    expect(made.routes.map(({ to }) => to)).to.include.members([
      '10.112.0.0/12',
      'fd00:10::/32',
      'fd00:10:2::/64',
    ]);
  });

  it('a cluster without a Peer has no tunnels, and lets nothing pass', () => {
    const { peers, routes } = plan('x', [hubPeer()]);
    expect({ peers, routes }).to.deep.equal({ peers: [], routes: [] });
  });

  it('the gateway’s own address on the cluster device, where it is ours to set', () => {
    expect(plan('b', world, { local: { managesClusterAddress: true } }).clusterAddresses).to.deep.equal([
      '10.114.0.1/16',
    ]);
    expect(plan('b', world).clusterAddresses).to.deep.equal([]);
  });

  it('plans 250 clusters with less than 100 ms of CPU', () => {
    const many = Array.from({ length: 250 }, (_, index) =>
      peer(`c${index}`, {
        cidr: `10.${112 + (index >> 4)}.${(index & 15) << 4}.0/20`,
        endpoint: `203.0.${index}.1`,
      }),
    );
    const peers = [hubPeer(), ...many];
    plan('c0', peers);
    // The least of three: the collector of garbage, which others made, has threads of this process.
    const took = ['c7', 'c8', 'c9'].map(self => {
      const before = process.cpuUsage();
      expect(plan(self, peers).peers).to.have.length(250);
      return process.cpuUsage(before).user;
    });
    expect(Math.min(...took)).to.be.below(100_000);
  });
});
