import { expect } from 'chai';
import { nextStep } from './rotation.ts';

describe('nextStep', () => {
  const facts = { ageMs: 10, rotateMs: 5, hasNext: false, isTold: false, unaware: 0 };
  for (const [what, more, step] of [
    ['a young key stays', { ageMs: 4 }, 'wait'],
    ['an old one gets a successor', {}, 'make-next'],
    ['never, where it is off', { rotateMs: 0, ageMs: 1e12 }, 'wait'],
    ['a successor that is not told waits', { hasNext: true }, 'wait'],
    ['one that somebody does not know waits', { hasNext: true, isTold: true, unaware: 1 }, 'wait'],
    ['else it comes into use', { hasNext: true, isTold: true }, 'change'],
    [
      'also where changes were switched off meanwhile',
      { hasNext: true, isTold: true, rotateMs: 0 },
      'change',
    ],
  ] as const) {
    it(what, () => {
      expect(nextStep({ ...facts, ...more })).to.equal(step);
    });
  }
});
