import { expect } from 'chai';
import { parseCidr } from '../ipam/cidr.ts';
import { ClientAddress } from './client.ts';
import { RateLimiter } from './ratelimit.ts';

function clientAt(address: string): ClientAddress {
  const client = new ClientAddress();
  client.setText(address);
  return client;
}

function cidrs(...texts: string[]) {
  return texts.map(text => {
    const cidr = parseCidr(text);
    if (cidr === undefined) throw new Error(text);
    return cidr;
  });
}

/** How many of `count` answers are given. */
function given(limiter: RateLimiter, address: string, count: number, now: number): number {
  const client = clientAt(address);
  let taken = 0;
  for (let i = 0; i < count; i++) if (limiter.take(client, now)) taken++;
  return taken;
}

describe('the rate limit', () => {
  it('gives a network its answers a second, and as many at once', () => {
    const limiter = new RateLimiter({ perSecond: 100, exempt: [] });
    expect(given(limiter, '198.51.100.1', 150, 1_000)).to.equal(100);
    expect(given(limiter, '198.51.100.2', 10, 1_000), 'the same /24').to.equal(0);
    expect(given(limiter, '198.51.101.1', 10, 1_000), 'another').to.equal(10);
    expect(given(limiter, '198.51.100.1', 150, 1_500), 'half a second later').to.equal(50);
    expect(given(limiter, '198.51.100.1', 150, 60_000), 'long after').to.equal(100);
  });

  it('counts IPv6 by /56, and IPv4 in IPv6 as IPv4', () => {
    const limiter = new RateLimiter({ perSecond: 10, exempt: [] });
    expect(given(limiter, '2001:db8:0:1100::1', 20, 0)).to.equal(10);
    expect(given(limiter, '2001:db8:0:11ff::9', 20, 0)).to.equal(0);
    expect(given(limiter, '2001:db8:0:1200::1', 20, 0)).to.equal(10);
    expect(given(limiter, '::ffff:192.0.2.1', 20, 0)).to.equal(10);
    expect(given(limiter, '192.0.2.77', 20, 0)).to.equal(0);
  });

  it('does not apply to exempt networks, nor with 0', () => {
    const exempt = cidrs('10.0.0.0/8', 'fc00::/7');
    const limiter = new RateLimiter({ perSecond: 1, exempt });
    expect(given(limiter, '10.96.0.10', 50, 0)).to.equal(50);
    expect(given(limiter, 'fd00::1', 50, 0)).to.equal(50);
    expect(given(limiter, '11.0.0.1', 50, 0)).to.equal(1);
    expect(given(limiter, '2001:db8::1', 50, 0)).to.equal(1);
    limiter.change({ perSecond: 0, exempt: [] });
    expect(given(limiter, '11.0.0.1', 50, 0)).to.equal(50);
  });

  it('does not let a flood of forged addresses free one that is over its limit', () => {
    const limiter = new RateLimiter({ perSecond: 100, exempt: [] });
    given(limiter, '198.51.100.1', 200, 0);
    const client = new ClientAddress();
    for (let i = 0; i < 200_000; i++) {
      client.words[0] = i << 8;
      limiter.take(client, 1);
    }
    expect(given(limiter, '198.51.100.1', 100, 1)).to.equal(0);
  });
});
