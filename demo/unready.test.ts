import { expect } from 'chai';
import { isReady, type PodFields, whyUnready } from './unready.ts';

function pod(status: Partial<PodFields['status']>): PodFields {
  return { metadata: { name: 'nauti-hub-1' }, status: { phase: 'Pending', ...status } };
}

describe('why a pod is not ready', () => {
  const cases: readonly (readonly [string, PodFields, string, string])[] = [
    [
      'no node has room',
      pod({
        conditions: [
          { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'Insufficient cpu.' },
        ],
      }),
      '',
      'nauti-hub-1: Unschedulable; Insufficient cpu.',
    ],
    [
      'the image cannot be had',
      pod({
        containerStatuses: [
          { ready: false, state: { waiting: { reason: 'ErrImagePull', message: 'no such image' } } },
        ],
      }),
      '',
      'nauti-hub-1: ErrImagePull; no such image',
    ],
    [
      'it crashes again and again',
      pod({
        containerStatuses: [
          {
            ready: false,
            state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } },
            lastState: { terminated: { exitCode: 2, reason: 'Error' } },
          },
        ],
      }),
      'Cannot use --cluster-id\n',
      'nauti-hub-1: CrashLoopBackOff; its last run ended with exit code 2; back-off 10s; the end of its log:\nCannot use --cluster-id',
    ],
    [
      'it has just crashed',
      pod({ containerStatuses: [{ ready: false, state: { terminated: { exitCode: 1, reason: 'Error' } } }] }),
      'last words',
      'nauti-hub-1: Error; its last run ended with exit code 1; the end of its log:\nlast words',
    ],
    [
      'its probe says no',
      pod({ phase: 'Running', containerStatuses: [{ ready: false, state: {} }] }),
      '',
      'nauti-hub-1: running, but not ready',
    ],
    ['nothing is known yet', pod({}), '', 'nauti-hub-1: Pending'],
  ];
  for (const [what, fields, log, expected] of cases) {
    it(what, () => expect(whyUnready(fields, log)).to.equal(expected));
  }

  it('is no question of one that is', () => {
    expect(isReady(pod({ conditions: [{ type: 'Ready', status: 'True' }] }))).to.equal(true);
    expect(isReady(pod({ conditions: [{ type: 'Ready', status: 'False' }] }))).to.equal(false);
    expect(isReady(pod({}))).to.equal(false);
  });
});
