import { expect } from 'chai';
import { afterDoubt } from './active-gateway.ts';

describe('afterDoubt', () => {
  for (const [holder, isHeard, wanted] of [
    ['unreachable', true, 'stay'],
    ['unreachable', false, 'yield'],
    ['me', false, 'stay'],
    ['', true, 'stay'],
    [undefined, true, 'stay'],
    ['other', true, 'yield'],
  ] as const) {
    it(`${holder === undefined ? 'no lease' : `lease of "${holder}"`}, ${isHeard ? '' : 'not '}heard: ${wanted}`, () => {
      expect(afterDoubt(holder, 'me', isHeard)).to.equal(wanted);
    });
  }
});
