import { expect } from 'chai';
import { LeaseWatch } from './lease-watch.ts';

const lease = (renewTime: string) => ({ renewTime, durationMs: 15_000 });

describe('watching leases', () => {
  it('believes only what it sees change', () => {
    const watch = new LeaseWatch();
    expect(watch.sign('a')).to.equal('unknown');
    watch.observe('a', lease('1'), 1_000);
    watch.proveFresh(1_000);
    expect(watch.sign('a')).to.equal('unknown');
    watch.observe('a', lease('2'), 6_000);
    watch.proveFresh(6_000);
    expect(watch.sign('a')).to.equal('renewing');
  });

  it('does not look at the time that a cluster writes', () => {
    const watch = new LeaseWatch();
    watch.observe('a', lease('1970-01-01T00:00:00Z'), 0);
    watch.observe('a', lease('1970-01-01T00:00:05Z'), 5_000);
    watch.proveFresh(5_000);
    expect(watch.sign('a')).to.equal('renewing');
  });

  it('takes silence for silence only where the view is proven after it', () => {
    const watch = new LeaseWatch();
    watch.observe('a', lease('1'), 0);
    watch.observe('a', lease('2'), 1_000);
    watch.proveFresh(15_999);
    expect(watch.sign('a')).to.equal('renewing');
    watch.proveFresh(16_000);
    expect(watch.sign('a')).to.equal('silent');
    watch.observe('a', lease('3'), 17_000);
    expect(watch.sign('a')).to.equal('renewing');
  });

  it('says nothing of the time in which it could not see', () => {
    const watch = new LeaseWatch();
    watch.observe('a', lease('1'), 0);
    watch.observe('a', lease('2'), 1_000);
    watch.proveFresh(1_000);
    // The API server was away for a day; its first list shows old leases.
    watch.startOver(86_400_000);
    watch.proveFresh(86_400_000);
    expect(watch.sign('a')).to.equal('renewing');
    watch.proveFresh(86_414_999);
    expect(watch.sign('a')).to.equal('renewing');
    watch.proveFresh(86_415_000);
    expect(watch.sign('a')).to.equal('silent');
  });

  it('takes a lease that was deleted, or never was, for silence from then on', () => {
    const watch = new LeaseWatch();
    watch.missing('a', 10_000);
    watch.missing('a', 20_000);
    watch.proveFresh(24_999);
    expect(watch.sign('a')).to.equal('unknown');
    watch.proveFresh(25_000);
    expect(watch.sign('a')).to.equal('silent');
    watch.observe('a', lease('1'), 26_000);
    expect(watch.sign('a')).to.equal('renewing');
    watch.missing('a', 27_000);
    watch.proveFresh(42_000);
    expect(watch.sign('a')).to.equal('silent');
  });

  it('bounds the durations that clusters choose', () => {
    const watch = new LeaseWatch();
    watch.observe('hasty', { renewTime: '1', durationMs: 0 }, 0);
    watch.observe('eternal', { renewTime: '1', durationMs: Number.MAX_SAFE_INTEGER }, 0);
    watch.proveFresh(4_999);
    expect(watch.sign('hasty')).to.equal('unknown');
    watch.proveFresh(3_600_000);
    expect(watch.sign('hasty')).to.equal('silent');
    expect(watch.sign('eternal')).to.equal('silent');
  });

  it('forgets who is gone', () => {
    const watch = new LeaseWatch();
    watch.observe('a', lease('1'), 0);
    watch.forget('a');
    watch.proveFresh(100_000);
    expect(watch.sign('a')).to.equal('unknown');
    expect([...watch.ids()]).to.deep.equal([]);
  });
});
