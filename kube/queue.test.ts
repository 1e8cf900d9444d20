import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { WorkQueue } from './queue.ts';

describe('WorkQueue', () => {
  let queue: WorkQueue;
  let stop: AbortController;

  beforeEach(() => {
    queue = new WorkQueue({ backoff: { minMs: 20, maxMs: 100, random: () => 0.5 } });
    queue.open();
    stop = new AbortController();
  });
  afterEach(() => queue.close());

  const take = () => queue.take(stop.signal);

  it('gives each key once, in order of arrival, however often it is added', async () => {
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
    expect([await take(), await take(), await take(), queue.depth]).to.deep.equal(['a', 'b', 'c', 0]);
  });

  it('does not give a key again before it is done, and then does', async () => {
    queue.add('a');
    await take();
    queue.add('a');
    queue.add('a');
    queue.add('b');
    expect(await take()).to.equal('b');
    expect(queue.depth).to.equal(1);
    queue.done('a');
    expect(await take()).to.equal('a');
    queue.done('a');
    expect(queue.depth).to.equal(0);
  });

  it('gives what can be taken at once, and nothing where only an active key is wanted again', async () => {
    queue.add('a');
    queue.add('b');
    expect([queue.takeReady(), queue.takeReady(), queue.takeReady()]).to.deep.equal(['a', 'b', undefined]);
    queue.add('a');
    expect([queue.depth, queue.takeReady()]).to.deep.equal([1, undefined]);
    queue.done('a');
    expect(queue.takeReady()).to.equal('a');
  });

  it('wakes one taker for each key', async () => {
    const taken = [take(), take(), take()];
    queue.add('a');
    queue.add('b');
    queue.add('c');
    expect(await Promise.all(taken)).to.have.members(['a', 'b', 'c']);
  });

  it('rejects takers when they are aborted, and loses no key to them', async () => {
    const own = new AbortController();
    const gone = queue.take(own.signal).catch((reason: unknown) => reason);
    const stays = take();
    queue.add('a');
    own.abort(new Error('enough'));
    expect(await gone).to.equal(own.signal.reason);
    expect(await stays).to.equal('a');
  });

  it('gives a delayed key when it is due, not before', async () => {
    const startedAt = performance.now();
    queue.addAfter('a', 30);
    expect([queue.depth, queue.delayed]).to.deep.equal([0, 1]);
    expect(await take()).to.equal('a');
    expect(performance.now() - startedAt).to.be.at.least(28);
  });

  it('keeps the earliest of several delays', async () => {
    const startedAt = performance.now();
    queue.addAfter('a', 20);
    queue.addAfter('a', 60_000);
    queue.addAfter('b', 60_000);
    queue.addAfter('b', 20);
    expect([await take(), await take()]).to.have.members(['a', 'b']);
    expect(performance.now() - startedAt).to.be.below(30_000);
    expect(queue.delayed).to.equal(0);
  });

  it('gives a delayed key at once when it is added', async () => {
    queue.addAfter('a', 60_000);
    queue.add('a');
    expect(await take()).to.equal('a');
    expect(queue.delayed).to.equal(0);
  });

  it('does not fire a very long delay at once', async () => {
    queue.addAfter('a', 1e12);
    await sleep(5);
    expect([queue.depth, queue.delayed]).to.deep.equal([0, 1]);
  });

  it('counts failures until the key is forgotten', async () => {
    queue.retry('a');
    queue.retry('a');
    expect(queue.failures('a')).to.equal(2);
    queue.forget('a');
    expect(queue.failures('a')).to.equal(0);
    expect(await take()).to.equal('a');
  });

  it('waits longer where the server asks for it', async () => {
    const startedAt = performance.now();
    queue.retry('a', 60);
    await take();
    expect(performance.now() - startedAt).to.be.at.least(58);
  });

  it('does not let what is added make a failing key hot, nor wait for all of its backoff', async () => {
    const slow = new WorkQueue({ backoff: { minMs: 60_000, maxMs: 60_000 } });
    slow.open();
    slow.retry('a');
    const startedAt = performance.now();
    for (let n = 0; n < 100; n++) slow.add('a');
    expect([slow.depth, slow.delayed]).to.deep.equal([0, 1]);
    expect(await slow.take(stop.signal)).to.equal('a');
    expect(performance.now() - startedAt).to.be.within(950, 30_000);
    slow.close();
  });

  it('holds no more than its keys', () => {
    for (let n = 0; n < 100_000; n++) {
      queue.add(`key-${n % 100}`);
      queue.addAfter(`later-${n % 100}`, 60_000 - (n % 1_000));
    }
    expect([queue.depth, queue.delayed]).to.deep.equal([100, 100]);
  });

  it('leaves no timer when it is closed, and loses no key', async () => {
    queue.addAfter('a', 60_000);
    queue.retry('b');
    queue.close();
    queue.addAfter('c', 60_000);
    expect(queue.delayed).to.equal(0);
    expect([await take(), await take(), await take()]).to.deep.equal(['a', 'b', 'c']);
  });
});
