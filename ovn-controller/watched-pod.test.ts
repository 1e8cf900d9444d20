import { expect } from 'chai';
import { isAlive } from './port-owner.ts';
import { type PodFields, pod, podObject } from './testing/samples.ts';
import { readPod, samePod } from './watched-pod.ts';

const now = Date.parse('2026-01-01T00:01:00Z');

describe('watched pod', () => {
  it('is none on the network of the host', () => {
    expect(readPod(podObject('demo/a', { hostNetwork: true }))).to.equal(undefined);
  });

  const lives: readonly (readonly [string, PodFields, boolean])[] = [
    ['pending', { phase: 'Pending' }, true],
    ['running', { phase: 'Running' }, true],
    ['unknown', { phase: 'Unknown' }, true],
    ['succeeded', { phase: 'Succeeded' }, false],
    ['failed, as when evicted', { phase: 'Failed' }, false],
    ['being deleted', { deletionTimestamp: '2026-01-01T00:00:50Z', grace: 30 }, true],
    ['still there long after its deletion', { deletionTimestamp: '2026-01-01T00:00:30Z', grace: 30 }, false],
    ['deleted by force', { deletionTimestamp: '2026-01-01T00:00:59Z', grace: 0 }, false],
  ];
  for (const [what, fields, alive] of lives) {
    it(`${alive ? 'holds' : 'does not hold'} an address while ${what}`, () => {
      expect(isAlive(pod('demo/a', fields), now)).to.equal(alive);
    });
  }

  it('keeps what matters, and tells changes of that from others', () => {
    const first = pod('demo/a', { labels: { app: 'x' } });
    expect(samePod(first, pod('demo/a', { labels: { app: 'x' }, phase: 'Pending' }))).to.equal(true);
    expect(samePod(first, pod('demo/a', { labels: { app: 'x' }, annotations: { other: '1' } }))).to.equal(
      true,
    );
    expect(samePod(first, pod('demo/a', { labels: { app: 'y' } }))).to.equal(false);
    expect(samePod(first, pod('demo/a', { labels: { app: 'x' }, phase: 'Failed' }))).to.equal(false);
    expect(samePod(first, pod('demo/a', { labels: { app: 'x' }, uid: 'another' }))).to.equal(false);
    const annotated = pod('demo/a', { labels: { app: 'x' }, annotations: { 'nauti.io/allocated': 'true' } });
    expect(samePod(first, annotated)).to.equal(false);
  });

  it('knows a StatefulSet as its owner, its named ports and what it was refused for', () => {
    const stateful = pod('demo/a-0', {
      owner: 'StatefulSet',
      ports: [
        { name: 'http', containerPort: 8080 },
        { containerPort: 1 },
        { name: 'dns', containerPort: 53, protocol: 'UDP' },
      ],
      conditions: [{ type: 'nauti.io/SecondaryAddress', status: 'False', reason: 'AddressTaken' }],
    });
    expect(stateful.isStateful).to.equal(true);
    expect(stateful.namedPorts).to.deep.equal({ 'TCP/http': 8080, 'UDP/dns': 53 });
    expect(stateful.refusal).to.equal('AddressTaken');
    expect(pod('demo/a', { owner: 'ReplicaSet' }).isStateful).to.equal(false);
  });
});
