import { expect } from 'chai';
import { together } from './together.ts';

/** A part that does nothing until it is told to end, and needs a moment for that. */
async function idle(until: AbortSignal, onEnd: () => void, ends: 'returns' | 'throws' = 'returns') {
  await new Promise<void>(resolve => until.addEventListener('abort', () => resolve(), { once: true }));
  await new Promise(setImmediate);
  onEnd();
  if (ends === 'throws') throw until.reason;
}

const failureOf = (work: Promise<void>): Promise<unknown> =>
  work.then(
    () => undefined,
    error => error,
  );

describe('parts that run together', () => {
  it('are ended by the first that fails, whose error is thrown when all have ended', async () => {
    let ended = 0;
    const first = new Error('the first');
    const work = together(new AbortController().signal, until => [
      idle(until, () => ended++),
      Promise.reject(first),
      idle(until, () => ended++, 'throws'),
      Promise.reject(new Error('the second')),
    ]);
    expect(await failureOf(work)).to.equal(first);
    expect(ended).to.equal(2);
  });

  it('throw nothing when they were told to end, whatever they throw on their way out', async () => {
    const stop = new AbortController();
    let ended = 0;
    const work = together(stop.signal, until => [
      idle(until, () => ended++),
      idle(until, () => ended++, 'throws'),
    ]);
    stop.abort();
    expect(await failureOf(work)).to.equal(undefined);
    expect(ended).to.equal(2);
  });

  it('go on when one has done its work', async () => {
    const stop = new AbortController();
    let isOver = false;
    const work = together(stop.signal, until => [
      Promise.resolve(),
      idle(until, () => {
        isOver = true;
      }),
    ]);
    await new Promise(setImmediate);
    expect(isOver).to.equal(false);
    stop.abort();
    await work;
    expect(isOver).to.equal(true);
  });

  it('end at once where they were told to end before', async () => {
    let given: AbortSignal | undefined;
    await together(AbortSignal.abort(), until => {
      given = until;
      return [];
    });
    expect(given?.aborted).to.equal(true);
  });
});
