import { expect } from 'chai';
import { acceptPeers } from './accepted-peers.ts';
import { conditionsOf } from './hub-words.ts';
import { hubPeer, peer } from './testing/peers.ts';

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
