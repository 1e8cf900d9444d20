import { expect } from 'chai';
import { acceptPeers, claimOf, type RefusalReason } from './accepted-peers.ts';
import { hubPeer, keyOf, type PeerWords, peer } from './testing/peers.ts';

const self = peer('self', { cidr: '10.113.0.0/16' });

function accept(
  words: Readonly<Record<string, PeerWords>>,
  options: { maxPeers?: number; before?: ReadonlyMap<string, string> } = {},
) {
  const others = Object.entries(words).map(([id, about]) =>
    about.hub && id === 'hub' ? hubPeer(about) : peer(id, about),
  );
  const hub = words.hub === undefined ? [hubPeer()] : [];
  const found = acceptPeers([...others, self, ...hub], { self: 'self', maxPeers: 512, ...options });
  return {
    sites: [...found.sites.keys()].sort(),
    refused: Object.fromEntries(found.refused.map(({ id, reason }) => [id, reason])),
    messages: Object.fromEntries(found.refused.map(({ id, message }) => [id, message])),
    found,
  };
}

describe('acceptPeers', () => {
  const good = { cidr: '10.120.0.0/16' };
  const cases: readonly (readonly [what: string, words: PeerWords, reason: RefusalReason, says: RegExp])[] = [
    ['a default route', { cidr: '0.0.0.0/0' }, 'TooBroad', /prefix of 8 at least: it has 0\.0\.0\.0\/0/],
    ['an IPv6 default route', { cidr: '::/0' }, 'TooBroad', /prefix of 16 at least/],
    ['half of the internet', { cidr: '128.0.0.0/1' }, 'TooBroad', /prefix of 8/],
    ['the block of all clusters', { cidr: '10.112.0.0/12' }, 'TooBroad', /a part of the block/],
    ['more than the block of all clusters', { cidr: '10.96.0.0/11' }, 'ForeignCidr', /must be inside/],
    [
      'a foreign block',
      { cidr: '192.168.0.0/16' },
      'ForeignCidr',
      /192\.168\.0\.0\/16 must be inside of .*10\.112\.0\.0\/12/,
    ],
    ['a block of a family that the hub has none of', { cidr: 'fd00::/64' }, 'ForeignCidr', /must be inside/],
    ['our own block', { cidr: '10.113.0.0/16' }, 'Overlap', /must be free: self has it/],
    ['a part of our block', { cidr: '10.113.7.0/24' }, 'Overlap', /must be free: self has it/],
    [
      'blocks that overlap each other',
      { cidr: ['10.120.0.0/16', '10.120.8.0/24'] },
      'Overlap',
      /must not overlap/,
    ],
    ['a loopback endpoint', { ...good, endpoint: '127.0.0.1' }, 'ReservedEndpoint', /loopback/],
    [
      'the metadata service as endpoint',
      { ...good, endpoint: '169.254.169.254' },
      'ReservedEndpoint',
      /link-local/,
    ],
    ['a multicast endpoint', { ...good, endpoint: '224.0.0.1' }, 'ReservedEndpoint', /multicast/],
    ['a broadcast endpoint', { ...good, endpoint: '255.255.255.255' }, 'ReservedEndpoint', /reserved/],
    ['no address as endpoint', { ...good, endpoint: '0.0.0.0' }, 'ReservedEndpoint', /this network/],
    ['an IPv6 loopback endpoint', { ...good, endpoint: '::1' }, 'ReservedEndpoint', /loopback/],
    ['a mapped endpoint', { ...good, endpoint: '::ffff:127.0.0.1' }, 'ReservedEndpoint', /IPv4-mapped/],
    [
      'an endpoint inside of the tunnels',
      { ...good, endpoint: '10.113.0.9' },
      'ReservedEndpoint',
      /outside of the tunnels/,
    ],
    ['a reserved internal endpoint', { ...good, internal: '127.0.0.1/8' }, 'ReservedEndpoint', /loopback/],
    ['our key', { ...good, key: keyOf('self') }, 'KeyInUse', /its own: self has it/],
    ['our key as its next', { ...good, nextKey: keyOf('self') }, 'KeyInUse', /its own: self has it/],
    ["the hub's key", { ...good, key: keyOf('hub') }, 'KeyInUse', /its own: hub has it/],
    ['a key of zeros', { ...good, key: `${'A'.repeat(43)}=` }, 'WeakKey', /small order/],
    ['to be a second hub', { hub: true, cidr: '10.112.0.0/12', made: 2030 }, 'SecondHub', /hub is the hub/],
  ];
  for (const [what, words, reason, says] of cases) {
    it(`refuses one that claims ${what}, and only that one`, () => {
      const { sites, refused, messages } = accept({ bad: words, good: { cidr: '10.121.0.0/16' } });
      expect(refused).to.deep.equal({ bad: reason });
      expect(messages.bad)
        .to.match(says)
        .and.match(/^Cannot accept|^the endpoint/);
      expect(sites).to.deep.equal(['good', 'hub', 'self']);
    });
  }

  it('gives a block that two claim to the older one', () => {
    const { refused } = accept({
      a: { cidr: '10.120.0.0/16', made: 2026 },
      b: { cidr: '10.120.0.0/17', made: 2025 },
    });
    expect(refused).to.deep.equal({ a: 'Overlap' });
  });

  it('leaves a block, and a key, with the one that had it before, whoever is older', () => {
    const words = {
      a: { cidr: '10.120.0.0/16', key: keyOf('k'), made: 2020 },
      b: { cidr: '10.121.0.0/16', key: keyOf('k') },
    };
    const before = new Map([['b', claimOf(peer('b', words.b))]]);
    expect(accept(words, { before }).refused).to.deep.equal({ a: 'KeyInUse' });
    expect(accept(words).refused).to.deep.equal({ b: 'KeyInUse' });
  });

  it('does not let one that was believed take more by an edit', () => {
    const before = new Map([['a', claimOf(peer('a', { cidr: '10.120.0.0/16' }))]]);
    const { refused } = accept(
      { a: { cidr: '10.121.0.0/16', made: 2030 }, b: { cidr: '10.121.0.0/16' } },
      { before },
    );
    expect(refused).to.deep.equal({ a: 'Overlap' });
  });

  it('takes a key that is ours, and not told yet, from nobody', () => {
    const found = acceptPeers(
      [hubPeer(), peer('self', { key: false }), peer('thief', { ...good, key: keyOf('mine') })],
      {
        self: 'self',
        maxPeers: 10,
        ownKeys: [keyOf('mine')],
      },
    );
    expect(found.refused.map(({ id, reason }) => `${id} ${reason}`)).to.deep.equal(['thief KeyInUse']);
  });

  it('accepts clusters that have no block or no key yet', () => {
    expect(accept({ a: { key: false, cidr: '10.120.0.0/16' }, b: {} }).refused).to.deep.equal({});
  });

  it('believes no block as long as there is no hub to say which are whose', () => {
    const found = acceptPeers([self, peer('a', good)], { self: 'self', maxPeers: 10 });
    expect(found.refused.map(({ reason }) => reason)).to.deep.equal(['ForeignCidr', 'ForeignCidr']);
  });

  it('a hub whose block is a default route is no hub', () => {
    const { refused, found } = accept({ hub: { hub: true, cidr: '0.0.0.0/0' } });
    expect(refused.hub).to.equal('TooBroad');
    expect(found.hub).to.equal(undefined);
  });

  it('judges 10,000 Peers with less than two seconds of CPU, and believes as many as it may, the oldest', () => {
    const many = Array.from({ length: 10_000 }, (_, index) =>
      peer(`c${index}`, {
        cidr: `10.${112 + (index % 16)}.${(index >> 4) % 256}.0/24`,
        made: 2000 + (index % 20),
      }),
    );
    const before = process.cpuUsage();
    const { sites, refused } = acceptPeers([hubPeer(), peer('self', { cidr: '10.127.255.0/24' }), ...many], {
      self: 'self',
      maxPeers: 200,
    });
    expect(process.cpuUsage(before).user).to.be.below(2_000_000);
    expect(sites.size).to.equal(202);
    expect(refused).to.have.length(9_800);
    expect(sites.has('c0')).to.equal(true);
    expect(sites.has('c19')).to.equal(false);
  });
});
