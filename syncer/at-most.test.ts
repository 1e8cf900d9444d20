import { expect } from 'chai';
import { atMost } from './at-most.ts';

describe('at most so many at once', () => {
  it('is never exceeded, and all are done', async () => {
    let active = 0;
    let most = 0;
    const done: number[] = [];
    await atMost(3, [0, 1, 2, 3, 4, 5, 6, 7], async item => {
      most = Math.max(most, ++active);
      await new Promise(resolve => setImmediate(resolve));
      active--;
      done.push(item);
    });
    expect(most).to.equal(3);
    expect(done.sort()).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('begins nothing after a failure, and rejects when what was under way has ended', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const failing = atMost(2, [0, 1, 2, 3], async item => {
      begun.push(item);
      if (item === 0) throw new Error('refused');
      await new Promise(resolve => setImmediate(resolve));
      ended.push(item);
    });
    let message = '';
    await failing.catch(error => {
      message = error.message;
      expect(ended).to.deep.equal([1]);
    });
    expect(message).to.equal('refused');
    expect(begun).to.deep.equal([0, 1]);
  });

  it('of nothing is done at once', () =>
    atMost(4, [], () => Promise.reject(new Error('must not be called'))));
});
