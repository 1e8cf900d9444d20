import { expect } from 'chai';
import { heldBy, LeaseObserver, microTime, readLease, released } from './lease.ts';

describe('lease', () => {
  const now = new Date('2026-01-02T03:04:05.678Z');
  const lease = (spec: unknown) => readLease({ metadata: { name: 'seat' }, spec });

  it('writes times as the API server wants them', () => {
    expect(microTime(now)).to.equal('2026-01-02T03:04:05.678000Z');
  });

  it('counts who holds it, and keeps since when', () => {
    const first = lease(heldBy('a', undefined, 14_500, now));
    expect(first).to.deep.equal({
      holder: 'a',
      durationMs: 15_000,
      acquireTime: microTime(now),
      renewTime: microTime(now),
      transitions: 0,
    });
    const later = new Date(now.getTime() + 5_000);
    expect(lease(heldBy('a', first, 15_000, later))).to.include({
      acquireTime: microTime(now),
      transitions: 0,
    });
    const second = lease(heldBy('b', first, 15_000, later));
    expect(second).to.include({ holder: 'b', acquireTime: microTime(later), transitions: 1 });
    expect(lease(released(second, later))).to.include({ holder: '', transitions: 1 });
  });

  it('reads nonsense as a lease that nobody holds for long', () => {
    for (const spec of [undefined, null, 7, {}, { holderIdentity: 7, leaseDurationSeconds: -1 }]) {
      expect(lease(spec)).to.include({ holder: '', durationMs: 0, transitions: 0 });
    }
    expect(lease({ holderIdentity: 'x', leaseDurationSeconds: 2 ** 31 }).durationMs).to.equal(3_600_000);
  });

  it('is bound by a lease for as long as it was seen unchanged, whatever its times say', () => {
    const observer = new LeaseObserver();
    const seen = lease({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      renewTime: '1970-01-01T00:00:00.000000Z',
    });
    expect(observer.observe(seen, 1_000)).to.equal(15_000);
    expect(observer.observe(seen, 15_999)).to.equal(1);
    expect(observer.observe(seen, 16_000)).to.equal(0);
    expect(observer.observe({ ...seen, renewTime: '1970-01-01T00:00:00.000001Z' }, 17_000)).to.equal(15_000);
    expect(observer.observe({ ...seen, holder: '' }, 17_001)).to.equal(0);
  });
});
