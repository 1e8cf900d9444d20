import { expect } from 'chai';
import { readWorkload } from './workload.ts';

const object = (kind: string, status: object, replicas = 2) => ({
  kind,
  metadata: { generation: 3 },
  spec: { replicas },
  status: { observedGeneration: 3, ...status },
});

describe('a workload', () => {
  const cases = [
    ['a Deployment is done', 'Deployment', { replicas: 2, updatedReplicas: 2, readyReplicas: 2 }, 2, 2],
    ['one has an old pod', 'Deployment', { replicas: 3, updatedReplicas: 2, readyReplicas: 3 }, 2, 1],
    ['one has new pods that are not ready', 'Deployment', { replicas: 2, updatedReplicas: 2 }, 2, 0],
    [
      'one was not seen yet by its controller',
      'StatefulSet',
      { observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2 },
      2,
      1,
    ],
    [
      'a DaemonSet is done',
      'DaemonSet',
      { desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3 },
      3,
      3,
    ],
    [
      'one is on some nodes only',
      'DaemonSet',
      { desiredNumberScheduled: 3, updatedNumberScheduled: 1, numberReady: 3 },
      3,
      1,
    ],
    ['one was not seen yet', 'DaemonSet', { observedGeneration: 2, desiredNumberScheduled: 0 }, 1, 0],
  ] as const;
  for (const [what, kind, status, wanted, ready] of cases) {
    it(what, () => expect(readWorkload(object(kind, status))).to.deep.equal({ wanted, ready }));
  }
});
