import { expect } from 'chai';
import { ensureTerm, Term, TermEnded } from './term.ts';

describe('a term', () => {
  it('whose renewal came too late ends without a warning of a timer that lies in the past', async () => {
    // Node warns once in a process: this is the first term that is too late.
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    const term = new Term(performance.now(), 50);
    term.renewed(performance.now() - 100);
    await new Promise(resolve => term.signal.addEventListener('abort', resolve));
    await new Promise(resolve => setImmediate(resolve));
    process.off('warning', note);
    expect(warnings).to.deep.equal([]);
  });

  it('is over where the answer that began it came after its deadline', () => {
    const term = new Term(performance.now() - 100, 50);
    expect(() => ensureTerm(term.signal)).to.throw(TermEnded, 'could not be renewed in time');
  });

  it('is over where the clock says so, before any timer ran', () => {
    const term = new Term(performance.now(), 5);
    const end = performance.now() + 10;
    while (performance.now() < end); // The event loop is blocked.
    expect(term.signal.aborted).to.equal(false);
    expect(() => ensureTerm(term.signal)).to.throw(TermEnded);
    expect(term.signal.aborted).to.equal(true);
  });

  it('goes on from each renewal, and is not begun again by one that comes after its end', () => {
    const term = new Term(performance.now(), 60_000);
    term.renewed(performance.now() - 1_000);
    ensureTerm(term.signal);
    term.end('another holds the lease');
    term.renewed(performance.now());
    expect(() => ensureTerm(term.signal)).to.throw(TermEnded, 'another holds the lease');
  });
});
