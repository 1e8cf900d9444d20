import { expect } from 'chai';
import type { KubeObject } from '../api/meta.ts';
import { countAgents, modeOfAgent } from './node-agents.ts';

const pod = (
  labels: Record<string, string> | undefined,
  more: object = {},
  phase = 'Running',
): KubeObject => ({
  metadata: { name: 'nauti-nri-x', namespace: 'nauti-system', ...(labels && { labels }), ...more },
  status: { phase },
});

describe('node agents', () => {
  it('are counted by their labels; whatever else a label says is none', () => {
    expect(countAgents(['nri', 'cri', 'nri', '', 'NRI', '__proto__', 'constructor'])).to.deep.equal({
      nri: 2,
      cri: 1,
      none: 4,
    });
    expect(countAgents([])).to.deep.equal({ nri: 0, cri: 0, none: 0 });
  });

  it('show their mode, or nothing yet', () => {
    expect(modeOfAgent(pod({ 'nauti.io/nri-mode': 'cri' }))).to.equal('cri');
    expect(modeOfAgent(pod({ other: 'label' }))).to.equal('');
    expect(modeOfAgent(pod(undefined))).to.equal('');
    expect(modeOfAgent({ metadata: { name: 'bare' } })).to.equal('');
  });

  it('are no more once their pod ends or has ended', () => {
    const labels = { 'nauti.io/nri-mode': 'nri' };
    expect(modeOfAgent(pod(labels, { deletionTimestamp: '2026-11-22T00:00:00Z' }))).to.equal(undefined);
    expect(modeOfAgent(pod(labels, {}, 'Failed'))).to.equal(undefined);
    expect(modeOfAgent(pod(labels, {}, 'Succeeded'))).to.equal(undefined);
  });
});
