import { expect } from 'chai';
import { formatCidr } from '../ipam/cidr.ts';
import { acceptPeers, type Granularity } from './accepted-peers.ts';
import { formatTarget } from './host-port.ts';
import { hubPeer, type PeerWords, peer } from './testing/peers.ts';
import { chooseLeader, linksOf } from './topology.ts';

interface Case {
  readonly what: string;
  /** By id; blocks are given in order: 10.113.0.0/16, 10.114.0.0/16, … */
  readonly clusters: Readonly<Record<string, PeerWords>>;
  readonly hub?: PeerWords | false;
  readonly granularity?: Granularity;
  /**
   * Tunnels of each cluster, separated by commas: `other role`, then `@address` where it dials, then the second numbers
   * of the blocks behind it where they are not just the other's.
   */
  readonly links: Readonly<Record<string, string>>;
}

const hub = 'hub up @198.51.100.1:31820';
const a = { endpoint: '203.0.113.1' };
const b = { endpoint: '203.0.113.2' };
const near = (host: number, more: PeerWords = {}): PeerWords => ({
  location: 'eu',
  internal: `172.16.0.${host}`,
  ...more,
});
const far = (host: number, more: PeerWords = {}): PeerWords => ({
  location: 'us',
  internal: `172.17.0.${host}`,
  ...more,
});

const cases: readonly Case[] = [
  { what: 'one member', clusters: { a: {} }, links: { a: hub, hub: 'a only' } },
  {
    what: 'two private members: by the hub',
    clusters: { a: {}, b: {} },
    links: { a: hub, b: hub, hub: 'a only, b only' },
  },
  {
    what: 'one public, one private: the private one dials',
    clusters: { a, b: {} },
    links: {
      a: `${hub}, b direct`,
      b: `${hub}, a direct @203.0.113.1:31820`,
      hub: 'a only @203.0.113.1:31820, b only',
    },
  },
  {
    what: 'two public members: both may dial',
    clusters: { a, b },
    links: { a: `${hub}, b direct @203.0.113.2:31820`, b: `${hub}, a direct @203.0.113.1:31820` },
  },
  {
    what: 'a public one, and two behind NATs: those meet at the hub',
    clusters: { a, b: {}, c: {} },
    links: {
      a: `${hub}, b direct, c direct`,
      b: `${hub}, a direct @203.0.113.1:31820`,
      c: `${hub}, a direct @203.0.113.1:31820`,
    },
  },
  {
    what: 'a port of its own',
    clusters: { a: { ...a, port: 443 }, b: {} },
    links: { b: `${hub}, a direct @203.0.113.1:443` },
  },
  {
    what: 'a DNS name',
    clusters: { a: { endpoint: 'gw.example.com' }, b: {} },
    links: { b: `${hub}, a direct @gw.example.com:31820` },
  },
  {
    what: 'an IPv6 endpoint',
    clusters: { a: { endpoint: '2001:db8::1' }, b: {} },
    links: { b: `${hub}, a direct @[2001:db8::1]:31820` },
  },
  {
    what: 'an endpoint that is not public is not dialled',
    clusters: { a: { ...a, isPublic: false }, b: {} },
    links: { a: hub, b: hub },
  },
  {
    what: 'a cluster whose gateway never ran',
    clusters: { a: { ...a, key: false }, b: {} },
    links: { b: hub, hub: 'b only' },
  },
  {
    what: 'our own key, not told yet',
    clusters: { a: { key: false }, b },
    links: { a: `${hub}, b direct @203.0.113.2:31820` },
  },
  {
    what: 'the hub has no key yet',
    hub: { key: false },
    clusters: { a, b: {} },
    links: { a: 'b only', b: 'a only @203.0.113.1:31820' },
  },
  {
    what: 'a hub without an endpoint dials the public ones',
    hub: { endpoint: undefined as never, isPublic: false },
    clusters: { a, b: {} },
    links: { hub: 'a only @203.0.113.1:31820', a: 'hub up, b direct', b: 'a only @203.0.113.1:31820' },
  },
  {
    what: 'a cluster that the hub gave no block has tunnels and nothing behind them',
    clusters: { a: { cidr: [] }, b },
    links: { b: `${hub}, a direct []` },
  },
  {
    what: 'a location of two: by internal addresses',
    clusters: { a: near(1), b: near(2) },
    links: { a: `${hub}, b direct @172.16.0.2:31820`, b: `${hub}, a direct @172.16.0.1:31820` },
  },
  {
    what: 'an internal address beats a public one within the location',
    clusters: { a: near(1, a), b: near(2, b), c: b },
    links: { a: `${hub}, b direct @172.16.0.2:31820, c direct @203.0.113.2:31820` },
  },
  {
    what: 'internal addresses of other locations are not dialled',
    clusters: { a: near(1), b: far(2) },
    links: { a: hub, b: hub },
  },
  {
    what: 'who has no internal address cannot use one',
    clusters: { a: near(1), b: { location: 'eu' } },
    links: { a: hub, b: hub },
  },
  {
    what: 'the default location counts as one',
    clusters: { a: { internal: '172.16.0.1' }, b: { internal: '172.16.0.2' } },
    links: { a: `${hub}, b direct @172.16.0.2:31820` },
  },
  {
    what: 'granularity location: one speaks for two',
    granularity: 'location',
    clusters: { a: near(1), b: near(2) },
    links: { a: `${hub}, b only @172.16.0.2:31820`, b: 'a up @172.16.0.1:31820', hub: 'a only [113 114]' },
  },
  {
    what: 'granularity location: leaders of two locations meet at the hub',
    granularity: 'location',
    clusters: { a: near(1), b: near(2), c: far(1), d: far(2) },
    links: {
      a: `${hub}, b only @172.16.0.2:31820`,
      b: 'a up @172.16.0.1:31820',
      c: `${hub}, d only @172.17.0.2:31820`,
      d: 'c up @172.17.0.1:31820',
      hub: 'a only [113 114], c only [115 116]',
    },
  },
  {
    what: 'granularity location: leaders have a tunnel where one of them is public',
    granularity: 'location',
    clusters: { a: near(1), b: near(2, b), c: far(1), d: far(2) },
    links: {
      a: 'b up @172.16.0.2:31820',
      b: `a only @172.16.0.1:31820, c direct [115 116], ${hub}`,
      c: `b direct @203.0.113.2:31820 [114 113], d only @172.17.0.2:31820, ${hub}`,
    },
  },
  {
    what: 'granularity location: three in one, each knows its neighbours',
    granularity: 'location',
    clusters: { a: near(1), b: near(2), c: near(3) },
    links: { b: 'a up @172.16.0.1:31820, c direct @172.16.0.3:31820', hub: 'a only [113 114 115]' },
  },
  {
    what: 'granularity location: who has no internal address stands alone',
    granularity: 'location',
    clusters: { a: near(1), b: { location: 'eu' } },
    links: { a: hub, b: hub, hub: 'a only, b only' },
  },
  {
    what: 'granularity location: an annotated one leads',
    granularity: 'location',
    clusters: { a: near(1), b: near(2, { leader: true }) },
    links: { a: 'b up @172.16.0.2:31820', hub: 'b only [114 113]' },
  },
  {
    what: 'granularity location: a leader that is not ready is replaced',
    granularity: 'location',
    clusters: { a: near(1, { notReady: true }), b: near(2) },
    links: { a: 'b up @172.16.0.2:31820', hub: 'b only [114 113]' },
  },
  {
    what: "the hub's word on granularity counts",
    granularity: 'full',
    hub: { granularity: 'location' },
    clusters: { a: near(1), b: near(2) },
    links: { b: 'a up @172.16.0.1:31820' },
  },
  {
    what: 'a hub that says full is full for all',
    granularity: 'location',
    hub: { granularity: 'full' },
    clusters: { a: near(1), b: near(2) },
    links: { b: `${hub}, a direct @172.16.0.1:31820` },
  },
  {
    what: 'no hub at all: who can meet does, within what is known',
    hub: false,
    clusters: { a: { ...a, cidr: [] }, b: { cidr: [] } },
    links: { a: 'b only []', b: 'a only @203.0.113.1:31820 []' },
  },
];

function linksIn({ clusters, hub: hubWords = {}, granularity = 'full' }: Case, id: string): string[] {
  const peers = Object.entries(clusters).map(([name, words], index) =>
    peer(name, { cidr: `10.${113 + index}.0.0/16`, ...words }),
  );
  const all = hubWords === false ? peers : [hubPeer(hubWords), ...peers];
  const acceptance = acceptPeers(all, { self: id, maxPeers: 100 });
  return linksOf(id, acceptance, granularity)
    .map(({ site, role, blocks, dial }) => {
      const numbers = blocks.map(block => formatCidr(block).split('.')[1]).join(' ');
      const own =
        site.isHub || site.cidrs.length === 1
          ? site.cidrs.map(block => formatCidr(block).split('.')[1]).join(' ')
          : undefined;
      const isPlain = site.isHub || numbers === own;
      return `${site.id} ${role}${dial ? ` @${formatTarget(dial)}` : ''}${isPlain ? '' : ` [${numbers}]`}`;
    })
    .sort();
}

describe('linksOf', () => {
  for (const one of cases) {
    for (const [id, wanted] of Object.entries(one.links)) {
      it(`${one.what}: as ${id} sees it`, () => {
        expect(linksIn(one, id)).to.deep.equal(wanted.split(', ').sort());
      });
    }
    it(`${one.what}: both ends know of each tunnel`, () => {
      const ids = [...Object.keys(one.clusters), ...(one.hub === false ? [] : ['hub'])];
      const pairs = new Set(ids.flatMap(id => linksIn(one, id).map(text => `${id} ${text.split(' ')[0]}`)));
      for (const pair of pairs) {
        const [from = '', to = ''] = pair.split(' ');
        // Who has no key yet is known to itself only.
        const words = from === 'hub' ? one.hub || {} : one.clusters[from];
        const hasKey = words?.key !== false;
        if (hasKey) expect([...pairs], one.what).to.include(`${to} ${from}`);
      }
    });
  }

  it('is nothing for one that has no accepted Peer', () => {
    expect(linksOf('x', acceptPeers([hubPeer()], { self: 'x', maxPeers: 1 }), 'full')).to.deep.equal([]);
  });
});

describe('chooseLeader', () => {
  const site = (id: string, words: PeerWords) => {
    const found = acceptPeers([hubPeer(), peer(id, words)], { self: 'hub', maxPeers: 1 }).sites.get(id);
    if (found === undefined) throw new Error(`${id} must be accepted`);
    return found;
  };
  const annotatedPublic = site('d', { leader: true, endpoint: '203.0.113.4' });
  const annotated = site('c', { leader: true });
  const isPublic = site('b', { endpoint: '203.0.113.2' });
  const plain = site('a', {});

  it('takes annotated and public, then annotated, then public, then the first', () => {
    expect(chooseLeader([plain, isPublic, annotated, annotatedPublic])?.id).to.equal('d');
    expect(chooseLeader([plain, isPublic, annotated])?.id).to.equal('c');
    expect(chooseLeader([plain, isPublic])?.id).to.equal('b');
    expect(chooseLeader([site('z', {}), plain])?.id).to.equal('a');
    expect(chooseLeader([])).to.equal(undefined);
  });

  it('does not depend on the order, nor on a newcomer that is no better', () => {
    expect(chooseLeader([annotated, site('y', { leader: true }), plain])?.id).to.equal('c');
    expect(chooseLeader([plain, site('y', { leader: true }), annotated])?.id).to.equal('c');
  });
});
