import { expect } from 'chai';
import { formatNodeAgents, parseNodeAgents } from './node-agents.ts';

describe('what a cluster tells of its node agents', () => {
  it('is read as it was written', () => {
    const agents = { nri: 2, cri: 1, none: 0 };
    expect(parseNodeAgents(formatNodeAgents(agents))).to.deep.equal(agents);
  });

  for (const [text, expected] of [
    ['', /annotation nauti.io\/node-agents as it must be JSON: current value is ""/],
    ['nri=2', /JSON/],
    ['null', /must be an object/],
    ['{}', /nri must be an integer/],
    ['{"nri":-1,"cri":0,"none":0}', /nri must be an integer from 0/],
    ['{"nri":1e99,"cri":0,"none":0}', /nri must be an integer/],
    ['{"nri":1,"cri":"2","none":0}', /cri must be an integer/],
  ] as const) {
    it(`is refused with a reason: ${text}`, () => {
      expect(() => parseNodeAgents(text)).to.throw(expected);
    });
  }
});
