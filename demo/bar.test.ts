import { expect } from 'chai';
import { bar } from './bar.ts';

describe('bar', () => {
  const cases = [
    [0, 4, '░░░░░░░░░░░░░░░░░░░░ 0/4'],
    [1, 4, '█████░░░░░░░░░░░░░░░ 1/4'],
    [4, 4, '████████████████████ 4/4'],
    [5, 4, '████████████████████ 5/4'],
    [0, 0, '████████████████████ 0/0'],
  ] as const;
  for (const [done, total, expected] of cases) {
    it(`shows ${done} of ${total}`, () => expect(bar(done, total)).to.equal(expected));
  }
});
