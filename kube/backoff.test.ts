import { expect } from 'chai';
import { Backoff, backoffDelay } from './backoff.ts';

describe('backoff', () => {
  const middle = () => 0.5;

  it('doubles up to its bound', () => {
    const delays = [0, 1, 2, 3, 4, 5, 10_000].map(failures =>
      backoffDelay(failures, { minMs: 100, maxMs: 1_000, random: middle }),
    );
    expect(delays).to.deep.equal([100, 200, 400, 800, 1_000, 1_000, 1_000]);
  });

  it('varies by half', () => {
    const at = (x: number) => backoffDelay(0, { minMs: 100, maxMs: 1_000, random: () => x });
    expect([at(0), at(0.999)].map(Math.round)).to.deep.equal([50, 150]);
  });

  it('begins anew when it is reset', () => {
    const backoff = new Backoff({ minMs: 100, maxMs: 1_000, random: middle });
    expect([backoff.next(), backoff.next()]).to.deep.equal([100, 200]);
    backoff.reset();
    expect(backoff.next()).to.equal(100);
  });
});
