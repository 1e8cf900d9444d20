import { expect } from 'chai';
import { ChangeTimes, changeTime } from './change-times.ts';

const second = Date.parse('2026-05-01T12:00:00Z');

describe('time of a change', () => {
  const cases: readonly [
    string,
    string | undefined,
    string | undefined,
    number | undefined,
    number | undefined,
  ][] = [
    ['nonsense in the stamp', 'yesterday', undefined, second + 40, second + 40],
    [
      'a stamp from the future, by a node whose clock is ahead',
      '2026-05-01T13:00:00Z',
      undefined,
      second + 40,
      second + 40,
    ],
    [
      'a stamp that belongs to an earlier change',
      '2026-05-01T12:00:00Z',
      '2026-05-01T12:00:00Z',
      second + 9_000,
      second + 9_000,
    ],
    ['no stamp', undefined, undefined, second + 40, second + 40],
    ['a stamp that was removed', undefined, '2026-05-01T12:00:00Z', second + 40, second + 40],
    [
      'a stamp of whole seconds, seen within its second',
      '2026-05-01T12:00:00Z',
      undefined,
      second + 40,
      second + 40,
    ],
    [
      'a stamp of whole seconds, seen after its second',
      '2026-05-01T12:00:00Z',
      undefined,
      second + 5_000,
      second + 999,
    ],
    ['an exact stamp', '2026-05-01T12:00:00.250Z', '2026-05-01T11:00:00Z', second + 400, second + 250],
    [
      'a first list, where only the stamp can tell',
      '2026-05-01T12:00:00Z',
      undefined,
      undefined,
      second + 999,
    ],
    ['a first list without a stamp', undefined, undefined, undefined, undefined],
  ];
  for (const [title, trigger, previous, observedAt, expected] of cases) {
    it(title, () => expect(changeTime(trigger, previous, observedAt)).to.equal(expected));
  }

  it('of several objects is the latest, and unknown of objects without one', () => {
    const times = new ChangeTimes();
    times.note('slice', second + 5);
    times.note('service', second + 7);
    times.note('export', undefined);
    expect(times.latest(['slice', 'service', 'export'])).to.equal('2026-05-01T12:00:00.007Z');
    expect(times.latest(['slice'])).to.equal('2026-05-01T12:00:00.005Z');
    expect(times.latest(['export', 'other'])).to.equal(undefined);
    times.note('service', undefined);
    expect(times.latest(['slice', 'service'])).to.equal('2026-05-01T12:00:00.005Z');
  });
});
