import { expect } from 'chai';
import { type Address, formatAddress, parseAddress } from './address.ts';
import { AddressPool, type Allocation, type PoolOptions } from './address-pool.ts';
import { type Cidr, parseCidr } from './cidr.ts';
import { parsePoolSnapshot } from './pool-snapshot.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`);
  return parsed;
}

function ip(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

function pool(block: string, reserved: readonly string[] = [], more: Partial<PoolOptions> = {}): AddressPool {
  const options = { cidr: cidr(block), reserved: reserved.map(text => parseCidr(text) ?? ip(text)) };
  return new AddressPool({ quarantineMs: 1_000, ...options, ...more });
}

/** The address in text, or the reason of the refusal. */
function told(result: Allocation): string {
  return 'address' in result ? formatAddress(result.address) : result.refused;
}

describe('address pool', () => {
  it('gives every address that is not reserved, then says that there is none', () => {
    const small = pool('10.113.0.0/29', ['10.113.0.0', '10.113.0.1', '10.113.0.2', '10.113.0.7', '10.9.9.9']);
    const given = Array.from({ length: 5 }, () => told(small.allocate(0)));
    expect(given).to.deep.equal(['10.113.0.3', '10.113.0.4', '10.113.0.5', '10.113.0.6', 'exhausted']);
    expect(small.counts()).to.deep.equal({ size: 8n, reserved: 4n, used: 4, resting: 0, free: 0n });
  });

  it('reserves whole blocks, overlapping and larger than itself', () => {
    const half = pool('10.113.0.0/28', ['10.113.0.0/29', '10.113.0.4/30']);
    expect(told(half.allocate(0))).to.equal('10.113.0.8');
    expect(half.counts().reserved).to.equal(8n);
    expect(told(pool('10.113.0.0/28', ['10.0.0.0/8']).allocate(0))).to.equal('exhausted');
  });

  it('gives a released address back to its owner at once, to others the oldest first after the quarantine', () => {
    const full = pool('10.113.0.0/30');
    for (let i = 0; i < 4; i++) full.allocate(0, `pod-${i}`);
    full.release(ip('10.113.0.2'), 100, 'pod-2');
    full.release(ip('10.113.0.1'), 200, 'pod-1');
    expect(full.allocate(300, 'new')).to.deep.equal({ refused: 'exhausted', retryAfterMs: 800 });
    expect(told(full.allocate(300, 'pod-1'))).to.equal('10.113.0.1');
    full.release(ip('10.113.0.1'), 400, 'pod-1');
    expect(told(full.allocate(2_000, 'new'))).to.equal('10.113.0.2');
    expect(told(full.allocate(2_000, 'newer'))).to.equal('10.113.0.1');
    expect(told(full.allocate(2_000, 'pod-1'))).to.equal('exhausted');
  });

  it('takes addresses that were never given before released ones', () => {
    const wide = pool('10.113.0.0/24');
    const first = told(wide.allocate(0, 'a'));
    wide.release(ip(first), 0, 'a');
    expect(told(wide.allocate(60_000, 'b'))).to.equal('10.113.0.1');
    expect(told(wide.allocate(60_000, 'a'))).to.equal(first);
  });

  it('answers a request for an address by giving it, or by why not', () => {
    const one = pool('10.113.0.0/24', ['10.113.0.1']);
    expect(told(one.claim(ip('10.113.0.77'), 0, 'a'))).to.equal('10.113.0.77');
    expect(told(one.claim(ip('10.113.0.77'), 0, 'b'))).to.equal('taken');
    expect(told(one.claim(ip('10.113.0.77'), 0, 'a'))).to.equal('taken');
    expect(told(one.claim(ip('10.113.0.1'), 0))).to.equal('reserved');
    expect(told(one.claim(ip('10.114.0.1'), 0))).to.equal('outside');
    expect(told(one.claim(ip('fd00::1'), 0))).to.equal('outside');
    one.release(ip('10.113.0.77'), 0, 'a');
    expect(one.claim(ip('10.113.0.77'), 400, 'b')).to.deep.equal({
      refused: 'quarantined',
      retryAfterMs: 600,
    });
    expect(told(one.claim(ip('10.113.0.77'), 400, 'a'))).to.equal('10.113.0.77');
    one.release(ip('10.113.0.77'), 400, 'a');
    expect(told(one.claim(ip('10.113.0.77'), 1_400, 'b'))).to.equal('10.113.0.77');
  });

  it('goes on behind what it adopted', () => {
    const adopted = pool('10.113.0.0/24', ['10.113.0.0']);
    expect(adopted.adopt(ip('10.113.0.9'))).to.equal('adopted');
    expect(adopted.adopt(ip('10.113.0.5'))).to.equal('adopted');
    expect(adopted.adopt(ip('10.113.0.5'))).to.equal('taken');
    expect(adopted.adopt(ip('10.113.0.0'))).to.equal('reserved');
    expect(adopted.adopt(ip('10.114.0.0'))).to.equal('outside');
    expect(told(adopted.allocate(0))).to.equal('10.113.0.10');
  });

  it('does not release what nobody has', () => {
    const one = pool('10.113.0.0/24');
    expect(one.release(ip('10.113.0.5'), 0)).to.equal(false);
    expect(one.release(ip('10.114.0.5'), 0)).to.equal(false);
    one.claim(ip('10.113.0.5'), 0);
    expect(one.release(ip('10.113.0.5'), 0)).to.equal(true);
    expect(one.release(ip('10.113.0.5'), 0)).to.equal(false);
  });

  it('frees at once what was given for nothing', () => {
    const tiny = pool('10.113.0.0/32');
    tiny.allocate(0, 'a');
    expect(tiny.forget(ip('10.113.0.0'))).to.equal(true);
    expect(tiny.forget(ip('10.113.0.0'))).to.equal(false);
    expect(told(tiny.allocate(0, 'b'))).to.equal('10.113.0.0');
    tiny.release(ip('10.113.0.0'), 0, 'b');
    expect(tiny.forget(ip('10.113.0.0'))).to.equal(false);
  });

  it('remembers no more released addresses than it was told to', () => {
    const forgetful = pool('10.113.0.0/24', [], { remembered: 2 });
    for (const last of [0, 1, 2, 3]) forgetful.claim(ip(`10.113.0.${last}`), 0, `pod-${last}`);
    for (const last of [0, 1, 2, 3]) forgetful.release(ip(`10.113.0.${last}`), last * 2_000, `pod-${last}`);
    expect(forgetful.counts()).to.deep.include({ resting: 2, used: 0, free: 254n });
    expect(told(forgetful.allocate(9_000, 'pod-0'))).to.equal('10.113.0.0');
    expect(told(forgetful.allocate(9_000, 'pod-3'))).to.equal('10.113.0.3');
  });

  it('serves IPv6 of any size, far addresses too', () => {
    const six = pool('fd00:10:113::/64', ['fd00:10:113::', 'fd00:10:113::1']);
    expect(told(six.allocate(0))).to.equal('fd00:10:113::2');
    expect(told(six.claim(ip('fd00:10:113::ffff:ffff:ffff:ffff'), 0))).to.equal(
      'fd00:10:113:0:ffff:ffff:ffff:ffff',
    );
    expect(six.counts().free).to.equal(2n ** 64n - 4n);
    expect(told(pool('::/0').allocate(0))).to.equal('::');
    expect(told(pool('10.0.0.1/32').allocate(0))).to.equal('10.0.0.1');
  });

  it('is the same after snapshot, JSON and restore', () => {
    const options = { cidr: cidr('10.113.0.0/20'), reserved: [ip('10.113.0.0')], quarantineMs: 1_000 };
    const before = new AddressPool(options);
    for (let i = 0; i < 500; i++) before.allocate(0, `pod-${i}`);
    for (let i = 1; i < 500; i += 3) before.release(ip(`10.113.${i >> 8}.${i & 255}`), i, `pod-${i - 1}`);
    const text = JSON.stringify(before.snapshot(600));
    const after = AddressPool.restore(options, parsePoolSnapshot(JSON.parse(text)), 50_600);
    expect(after.counts()).to.deep.equal(before.counts());
    expect(JSON.stringify(after.snapshot(50_600))).to.equal(text);
    expect(told(after.allocate(50_600, 'pod-3'))).to.equal(told(before.allocate(600, 'pod-3')));
    expect(told(after.allocate(50_600, 'new'))).to.equal(told(before.allocate(600, 'new')));
  });

  it('refuses a snapshot that is not one of its own', () => {
    const options = { cidr: cidr('10.113.0.0/24'), quarantineMs: 0 };
    const good = new AddressPool(options).snapshot(0);
    const restore = (snapshot: object) => () => AddressPool.restore(options, { ...good, ...snapshot }, 0);
    expect(restore({ cidr: '10.114.0.0/24' })).to.throw(RangeError, 'current value is "10.114.0.0/24"');
    expect(restore({ used: [['250', '10']] })).to.throw(RangeError, 'current value is "256"');
    expect(
      restore({
        used: [
          ['1', '2'],
          ['2', '1'],
        ],
      }),
    ).to.throw(RangeError, 'named once');
    expect(restore({ used: [['0', '9'.repeat(38)]] })).to.throw(RangeError, 'at most');
    for (const value of [null, [], 'x', {}, { ...good, cursor: -1 }, { ...good, used: [['1']] }]) {
      expect(() => parsePoolSnapshot(value)).to.throw(TypeError, 'Cannot read the snapshot as');
    }
    for (const resting of [
      [{}],
      [{ offset: '1', remainingMs: -1 }],
      [{ offset: '1', remainingMs: 0, owner: 7 }],
    ]) {
      expect(() => parsePoolSnapshot({ ...good, resting })).to.throw(TypeError, 'resting[0]');
    }
  });

  it('allocates 1,048,576 addresses in order, in less than 1 MB of bitmap', () => {
    const memoryBefore = process.memoryUsage().arrayBuffers;
    const million = pool('10.112.0.0/12');
    for (let expected = 0n; expected < 1_048_576n; expected++) {
      const result = million.allocate(0);
      if (!('address' in result) || result.address.value - million.cidr.base !== expected) {
        throw new Error(`address ${expected} was not given: ${told(result)}`);
      }
    }
    expect(told(million.allocate(0))).to.equal('exhausted');
    expect(process.memoryUsage().arrayBuffers - memoryBefore).to.be.lessThan(1_000_000);
    expect(million.counts()).to.deep.include({ used: 1_048_576, free: 0n });
  });
});
