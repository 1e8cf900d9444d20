import { expect } from 'chai';
import { saysAlive, saysCidr, withCondition } from './peer-conditions.ts';

describe('conditions of a Peer', () => {
  const now = new Date('2025-03-01T12:00:00.123Z');

  it('keep their time as long as their status stands', () => {
    const first = withCondition(new Map(), saysAlive(true), now);
    expect(first).to.deep.equal([{ ...saysAlive(true), lastTransitionTime: '2025-03-01T12:00:00Z' }]);
    const before = new Map(first.map(condition => [condition.type, condition]));
    const later = new Date('2025-03-01T13:00:00Z');
    expect(withCondition(before, saysAlive(true), later)).to.deep.equal(first);
    expect(withCondition(before, saysAlive(false), later)[0]).to.include({
      status: 'False',
      lastTransitionTime: '2025-03-01T13:00:00Z',
    });
  });

  it('stand beside each other', () => {
    const alive = withCondition(new Map(), saysAlive(true), now);
    const both = withCondition(
      new Map(alive.map(c => [c.type, c])),
      saysCidr({ cidrs: ['x'], exhausted: [] }),
      now,
    );
    expect(both.map(({ type }) => type)).to.deep.equal(['Alive', 'CidrGiven']);
  });

  it('say what became of a wish', () => {
    expect(saysCidr({ cidrs: ['10.113.0.0/16'], exhausted: [] })).to.include({
      reason: 'Given',
      message: '10.113.0.0/16 is given',
    });
    expect(saysCidr({ cidrs: ['10.113.0.0/16'], refused: 'it must be free', exhausted: [] })).to.include({
      reason: 'AnotherGiven',
      message: '10.113.0.0/16 is given, not the one asked for as it must be free',
    });
    expect(saysCidr({ cidrs: [], exhausted: ['10.112.0.0/12'] })).to.include({
      status: 'False',
      reason: 'Exhausted',
      message: '10.112.0.0/12 has no free part left',
    });
    expect(saysCidr({ cidrs: ['fd00::/64'], exhausted: ['10.112.0.0/12'] })).to.include({
      status: 'True',
      message: 'fd00::/64 is given; 10.112.0.0/12 has no free part left',
    });
  });
});
