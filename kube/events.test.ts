import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { KubeObject } from '../api/meta.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './error.ts';
import { EventRecorder } from './events.ts';

describe('EventRecorder', () => {
  const regarding = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', namespace: 'demo', name });
  const fields = { type: 'Warning', reason: 'Refused', action: 'Read', note: 'no' } as const;
  let writes: string[];
  let failWith: Error | undefined;

  /** Takes events as the API would; the real one is in test/integration/kube. */
  const client = {
    async create(_: unknown, object: KubeObject) {
      writes.push(`create ${(object.regarding as { name: string }).name}`);
      if (failWith) throw failWith;
      return object;
    },
    async patch(_: unknown, { name }: { name: string }, { body }: { body: { series: { count: number } } }) {
      writes.push(`count ${name.split('.')[0]} ${body.series.count}`);
      if (failWith) throw failWith;
      return { metadata: { namespace: 'demo', name } };
    },
  } as unknown as KubeClient;
  beforeEach(() => {
    writes = [];
    failWith = undefined;
  });

  it('writes a repetition at most once in a while, with the count of all', async () => {
    const recorder = new EventRecorder({ client, controller: 'c', instance: 'i', repeatMs: 30 });
    for (let n = 0; n < 5; n++) recorder.record({ ...fields, regarding: regarding('a') });
    await recorder.flush();
    expect(writes).to.deep.equal(['create a']);
    await new Promise(resolve => setTimeout(resolve, 40));
    recorder.record({ ...fields, regarding: regarding('a') });
    await recorder.flush();
    expect(writes).to.deep.equal(['create a', 'count a 6']);
  });

  it('drops a flood, and counts what it dropped', async () => {
    const metrics = new Registry();
    const recorder = new EventRecorder({ client, controller: 'c', instance: 'i', metrics });
    for (let n = 0; n < 5_000; n++) recorder.record({ ...fields, regarding: regarding(`pod-${n}`) });
    await recorder.flush();
    expect(writes.length).to.be.within(50, 60);
    const dropped = /nauti_kube_events_dropped_total (\d+)/.exec(await metrics.metrics())?.[1];
    expect(Number(dropped)).to.equal(5_000 - writes.length);
  });

  it('never throws, and makes a new event where the series is gone', async () => {
    const recorder = new EventRecorder({ client, controller: 'c', instance: 'i', repeatMs: 0 });
    const record = async () => {
      recorder.record({ ...fields, regarding: regarding('a') });
      await recorder.flush();
    };
    await record();
    failWith = new KubeError('gone', { status: 404, reason: 'NotFound' });
    await record();
    failWith = undefined;
    await record();
    expect(writes).to.deep.equal(['create a', 'count a 2', 'create a']);
  });
});
