import { expect } from 'chai';
import { renewalDelay } from './renewal.ts';

const day = 86_400_000;

describe('renewal', () => {
  it("is due after a day of a week's life, not for all at the same moment", () => {
    const token = { receivedAt: 1_000_000, lifetimeMs: 7 * day };
    expect(renewalDelay(token, 1_000_000, 0)).to.equal(day);
    expect(renewalDelay(token, 1_000_000, 1)).to.equal(0.9 * day);
    expect(renewalDelay(token, 1_000_000 + day / 2, 0)).to.equal(day / 2);
  });

  it('is due at once when that time is over, and never in a hot loop', () => {
    expect(renewalDelay({ receivedAt: 0, lifetimeMs: day }, 10 * day, 0)).to.equal(1_000);
    expect(renewalDelay({ receivedAt: 0, lifetimeMs: 1 }, 0, 0)).to.equal(1_000);
  });

  it('stands a clock that was set back, and a hub that does not say how long', () => {
    expect(renewalDelay({ receivedAt: 5 * day, lifetimeMs: 7 * day }, 0, 0)).to.equal(day);
    expect(renewalDelay({ receivedAt: 0 }, 0, 0)).to.be.within(60_000, 3_600_000);
  });
});
