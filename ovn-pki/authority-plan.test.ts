import { expect } from 'chai';
import { type Authority, bundle, type Generations, planRotation, promoted } from './authority-plan.ts';

const day = 86_400_000;
const times = { authorityLifetime: 90 * day, authorityOverlap: 2 * day };
const madeAt = (notBefore: number, name = 'a'): Authority => ({
  certificate: name,
  key: 'k',
  notBefore,
  notAfter: notBefore + times.authorityLifetime,
});
const current = madeAt(0);

describe('rotation of an authority', () => {
  const cases: readonly (readonly [string, number, Generations | undefined, object])[] = [
    ['none: one is made', 0, undefined, { kind: 'make', slot: 'current' }],
    ['young: nothing until a third is left', day, { current }, { kind: 'rest', until: 60 * day }],
    ['a third is left: its successor is made', 60 * day, { current }, { kind: 'make', slot: 'next' }],
    [
      'the successor does not sign before all know it',
      61 * day,
      { current, next: madeAt(60 * day) },
      { kind: 'rest', until: 62 * day },
    ],
    ['then it does', 62 * day, { current, next: madeAt(60 * day) }, { kind: 'promote' }],
    [
      'the former is trusted until it expires',
      62 * day,
      { current: madeAt(60 * day), previous: current },
      { kind: 'rest', until: 90 * day },
    ],
    ['and is forgotten then', 90 * day, { current: madeAt(60 * day), previous: current }, { kind: 'forget' }],
    ['expired while nobody looked: a new one', 91 * day, { current }, { kind: 'make', slot: 'current' }],
    [
      'expired, with a successor that nobody promoted',
      91 * day,
      { current, next: madeAt(60 * day) },
      { kind: 'promote' },
    ],
  ];
  for (const [what, now, generations, step] of cases) {
    it(what, () => expect(planRotation(now, generations, times)).to.deep.equal(step));
  }

  it('comes to rest for ten years, a day at a time, and always has one that signs', () => {
    let generations: Generations | undefined;
    for (let now = 0; now < 3_650 * day; now += day) {
      for (let steps = 0; ; steps++) {
        expect(steps).to.be.lessThan(4);
        const step = planRotation(now, generations, times);
        if (step.kind === 'rest') {
          expect(step.until).to.be.greaterThan(now);
          break;
        }
        if (step.kind === 'make')
          generations =
            step.slot === 'next' && generations
              ? { ...generations, next: madeAt(now) }
              : { current: madeAt(now) };
        else if (generations && step.kind === 'promote') generations = promoted(generations);
        else if (generations)
          generations = { current: generations.current, ...(generations.next && { next: generations.next }) };
      }
      expect(generations?.current.notAfter).to.be.greaterThan(now + 20 * day);
    }
  });

  it('publishes all that are trusted, the one that signs first', () => {
    const text = bundle({
      current: madeAt(0, 'current\n'),
      next: madeAt(0, 'next'),
      previous: madeAt(0, 'previous'),
    });
    expect(text).to.equal('current\nnext\nprevious\n');
  });
});
