import { expect } from 'chai';
import type { KubeObject } from '../api/meta.ts';
import { isEverywhere, remaining, unready } from './progress.ts';

const status = {
  observedGeneration: 2,
  desiredNumberScheduled: 3,
  updatedNumberScheduled: 3,
  numberReady: 3,
};
const daemonSet = (change: object): KubeObject => ({
  metadata: { generation: 2 },
  status: { ...status, ...change },
});

describe('taking OVN off the nodes', () => {
  it('is done once the DaemonSet is ready everywhere', () => {
    expect(isEverywhere(daemonSet({}))).to.equal(true);
  });

  for (const [what, change] of Object.entries({
    'its controller has not seen the change': { observedGeneration: 1 },
    'it is for no node yet': { desiredNumberScheduled: 0, numberReady: 0 },
    'a node has no pod': { updatedNumberScheduled: 2 },
    'a pod is not ready': { numberReady: 2 },
  })) {
    it(`is not while ${what}`, () => expect(isEverywhere(daemonSet(change))).to.equal(false));
  }

  it('is not while there is no status', () => {
    expect(isEverywhere({ metadata: { generation: 1 } })).to.equal(false);
  });

  it('names what is missing', () => {
    const pod = (name: string, nodeName: string | undefined, ready: string): KubeObject => ({
      metadata: { name },
      spec: { nodeName },
      status: { conditions: [{ type: 'Ready', status: ready }] },
    });
    const pods = [pod('a', 'node-1', 'True'), pod('b', 'node-2', 'False'), pod('c', undefined, 'False')];
    expect(unready(pods)).to.deep.equal(['node-2']);
    expect(remaining(pods)).to.deep.equal(['a on node-1', 'b on node-2', 'c on no node']);
  });
});
