import { expect } from 'chai';
import { ListenPort } from './listen-port.ts';

describe('the port that is listened on', () => {
  const of = (
    port: ListenPort,
    now: number,
    more: { isFree?: boolean; isCutOff?: boolean; random?: number },
  ) => port.choose({ usual: 31_820, isFree: true, isCutOff: false, random: 0.5, now, ...more });

  it('is one of our own choice where nobody dials, and stays that while all is well', () => {
    const port = new ListenPort();
    expect(of(port, 0, { random: 0 })).to.equal(49_152);
    expect(of(port, 1_000, { random: 0.9 })).to.equal(49_152);
    expect(of(new ListenPort(), 0, { random: 0.999_99 })).to.equal(65_535);
  });

  it('is another one for each time that this gateway becomes the active one', () => {
    const port = new ListenPort();
    of(port, 0, { random: 0 });
    port.renew();
    expect(of(port, 1_000, { random: 0.5 })).to.equal(57_344);
  });

  it('is another one at once where a link that we dial is down, and stays that when it is up', () => {
    const port = new ListenPort();
    of(port, 0, { random: 0.5 });
    expect(of(port, 1_000, { isCutOff: true, random: 0 })).to.equal(49_152);
    expect(of(port, 2_000, { isCutOff: true, random: 0.9 })).to.equal(49_152);
    expect(of(port, 3_000, { random: 0.9 })).to.equal(49_152);
  });

  it('changes again and again, less and less often, until there is an answer', () => {
    const port = new ListenPort();
    const changedAt: number[] = [];
    let last = of(port, -1_000, { random: 0.999 });
    for (let second = 0; second < 100; second++) {
      const now = of(port, second * 1_000, { isCutOff: true, random: second / 100 });
      if (now !== last) changedAt.push(second);
      last = now;
    }
    expect(changedAt).to.deep.equal([0, 10, 30, 70]);
    of(port, 200_000, {});
    expect(of(port, 210_000, { isCutOff: true, random: 0 })).to.equal(49_152);
    expect(of(port, 220_000, { isCutOff: true, random: 0.5 })).to.equal(57_344);
  });

  it('is never another one where others dial', () => {
    const port = new ListenPort();
    expect(of(port, 0, { isFree: false, isCutOff: true })).to.equal(31_820);
    of(port, 1_000, { isCutOff: true });
    expect(of(port, 2_000, { isFree: false })).to.equal(31_820);
  });
});
