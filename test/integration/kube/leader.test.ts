import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { KubeObject } from '../../../api/meta.ts';
import { configMaps, leases } from '../../../api/resource.ts';
import { KubeClient } from '../../../kube/client.ts';
import { leadWhileHolding, TermEnded } from '../../../kube/leader.ts';
import { until } from '../../../lab/until.ts';
import { silentLogger } from '../../../process/log.ts';
import type { FaultProxy } from './fault-proxy.ts';
import { useTestPlane } from './plane.ts';
import { Random } from './random.ts';

const log = silentLogger();
const times = { leaseDurationMs: 1_000, renewDeadlineMs: 600, retryMs: 60 };

/** A stretch of time in which somebody led; open where it goes on. */
interface Reign {
  readonly who: string;
  readonly from: number;
  to?: number;
}

interface CandidateOptions {
  readonly end?: AbortController;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly renewMs?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly isAlive?: (lease: KubeObject) => Promise<boolean>;
  readonly graceMs?: number;
}

describe('leader election on a real API server', () => {
  const plane = useTestPlane();
  let namespace: string;
  let reigns: Reign[];
  let stop: AbortController;
  let running: Promise<void>[];

  beforeEach(async () => {
    namespace = await plane().namespace();
    reigns = [];
    running = [];
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await Promise.allSettled(running);
    await plane().closeAll();
  });

  async function candidate(who: string, { end = new AbortController(), ...other }: CandidateOptions = {}) {
    const proxy = await plane().proxy();
    const client = await plane().client(proxy);
    stop.signal.addEventListener('abort', () => end.abort());
    const options = { client, namespace, name: 'seat', identity: who, ...times, ...other, log };
    const done = leadWhileHolding({ ...options, signal: end.signal }, async signal => {
      const reign: Reign = { who, from: performance.now() };
      reigns.push(reign);
      await aborted(signal);
      reign.to = performance.now();
    });
    running.push(done);
    return { proxy, end, done };
  }

  const leader = () => reigns.find(reign => reign.to === undefined)?.who;

  function eventually(what: string, holds: () => boolean): Promise<true> {
    return until(holds, { what, timeout: 60_000, interval: 5, detail: () => JSON.stringify(reigns) });
  }

  function expectNoOverlap(): void {
    const sorted = [...reigns].sort((a, b) => a.from - b.from);
    for (const [index, reign] of sorted.entries()) {
      const next = sorted[index + 1];
      if (next !== undefined) expect(reign.to, JSON.stringify(sorted)).to.be.at.most(next.from);
    }
  }

  it('hands over when the leader is cut off, and never has two', async () => {
    const a = await candidate('a');
    await eventually('a leading', () => leader() === 'a');
    await candidate('b');
    a.proxy.partition();
    const cutAt = performance.now();
    await eventually('b leading', () => leader() === 'b');
    // From the last renewal, which was at most a try before.
    expect(reigns[0]?.to).to.be.within(cutAt + 100, cutAt + 20_000);
    expect(performance.now() - cutAt).to.be.at.least(times.renewDeadlineMs);
    a.proxy.heal();
    const lease = await plane().admin.get(leases, { namespace, name: 'seat' });
    expect(lease?.spec).to.include({ holderIdentity: 'b', leaseDurationSeconds: 1, leaseTransitions: 1 });
    expectNoOverlap();
  });

  it('leaves a lease that is over to who lives, for a while, and takes it from who does not', async () => {
    const annotations = { where: 'at-a' };
    const a = await candidate('a', { annotations });
    await eventually('a leading', () => leader() === 'a');
    const asked: unknown[] = [];
    let lives = true;
    const isAlive = async ({ metadata }: KubeObject) => {
      asked.push(metadata.annotations);
      return lives;
    };
    const b = await candidate('b', { isAlive, graceMs: 600_000 });
    a.proxy.partition();
    const seen = b.proxy.requests;
    // A lease of a second, and a look each 60 ms.
    await eventually('many looks', () => asked.length > 3 && b.proxy.requests > seen + 60);
    expect(reigns.filter(({ who }) => who === 'b')).to.deep.equal([]);
    expect(asked[0]).to.deep.equal(annotations);
    lives = false;
    await eventually('b leading', () => leader() === 'b');
    a.proxy.heal();
    expectNoOverlap();
  });

  it('takes a lease that is over from who lives and does not renew it for too long', async () => {
    const a = await candidate('a');
    await eventually('a leading', () => leader() === 'a');
    await candidate('b', { isAlive: async () => true, graceMs: 500 });
    const c = await candidate('c', { isAlive: () => Promise.reject(new Error('no')), graceMs: 600_000 });
    c.proxy.partition();
    a.proxy.partition();
    await eventually('b leading', () => leader() === 'b');
    expectNoOverlap();
  });

  it('never has two under random partitions and resets', async function () {
    this.timeout(180_000);
    const random = new Random(Date.now());
    const candidates = [await candidate('a'), await candidate('b')];
    const handovers = () =>
      reigns.filter((reign, index) => index > 0 && reigns[index - 1]?.who !== reign.who).length;
    while (handovers() < 2) {
      await eventually('somebody leading', () => leader() !== undefined);
      const [first, second] = candidates.map(({ proxy }) => proxy) as [FaultProxy, FaultProxy];
      const leading = leader() === 'a' ? first : second;
      const victims = random.pick([[leading], [leading], [leading], [first, second]]);
      for (const proxy of victims) random.next() < 0.8 ? proxy.partition() : proxy.resetAll();
      const before = reigns.length;
      const healAt = performance.now() + 200 + random.below(2_500);
      await eventually('time or a change', () => performance.now() > healAt || reigns.length > before);
      for (const { proxy } of candidates) proxy.heal();
    }
    stop.abort();
    await Promise.all(running);
    expectNoOverlap();
  });

  it('gives the lease back when it is stopped, after the leader has stopped', async () => {
    // Who waits for the end of the lease comes much later than who is given it.
    const long = { leaseDurationMs: 60_000, renewDeadlineMs: 40_000 };
    const a = await candidate('a', long);
    await eventually('a leading', () => leader() === 'a');
    const before = (await plane().admin.get(leases, { namespace, name: 'seat' }))?.spec as Record<
      string,
      string
    >;
    expect(before.renewTime).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await candidate('b', long);
    a.end.abort();
    await a.done;
    const releasedAt = performance.now();
    await eventually('b leading', () => leader() === 'b');
    expect(performance.now() - releasedAt).to.be.below(long.leaseDurationMs / 2);
    expectNoOverlap();
  });

  it('gives the lease back also where it is stopped while the answer to a renewal is on its way', async () => {
    const read = async () => (await plane().admin.get(leases, { namespace, name: 'seat' })) as KubeObject;
    const a = await candidate('a', { leaseDurationMs: 60_000, renewDeadlineMs: 40_000 });
    await eventually('a leading', () => leader() === 'a');
    let cut = 0;
    a.proxy.decide = ({ method }) =>
      method === 'PUT' && ++cut === 1 ? { after: { bytes: 0, action: 'stall' } } : undefined;
    const before = (await read()).metadata.resourceVersion;
    await until(async () => cut === 1 && (await read()).metadata.resourceVersion !== before, {
      what: 'a renewal whose answer does not come',
      timeout: 60_000,
      interval: 5,
    });
    a.end.abort();
    await a.done;
    expect((await read()).spec).to.deep.include({ holderIdentity: '' });
  });

  it('leads again after the API server was away', async () => {
    const registry = new Registry();
    const client = await plane().client();
    let terms = 0;
    let leading = false;
    const options = { client, namespace, name: 'seat', identity: 'a', ...times, log, metrics: registry };
    running.push(
      leadWhileHolding({ ...options, signal: stop.signal }, async signal => {
        terms++;
        leading = true;
        await aborted(signal);
        leading = false;
      }),
    );
    await eventually('leading', () => leading);
    expect(await registry.metrics()).to.contain('nauti_kube_leader{lease="seat"} 1');
    await plane().controlPlane.killApiServer();
    await eventually('the end of the term', () => !leading);
    expect(await registry.metrics()).to.contain('nauti_kube_leader{lease="seat"} 0');
    await plane().controlPlane.startApiServer();
    await eventually('a second term', () => leading && terms === 2);
  }).timeout(180_000);

  it('ends its term when another has taken the lease', async () => {
    await candidate('a');
    await eventually('a leading', () => leader() === 'a');
    await plane().admin.patch(
      leases,
      { namespace, name: 'seat' },
      {
        contentType: 'application/merge-patch+json',
        body: { spec: { holderIdentity: 'thief', leaseDurationSeconds: 1 } },
      },
    );
    await eventually('the end of the term', () => leader() === undefined);
    // The thief does not renew: the lease comes back.
    await eventually('a leading again', () => leader() === 'a');
    expect(reigns).to.have.length(2);
  });

  it('refuses writes after a pause of the process, before any timer ran', async () => {
    const proxy = await plane().proxy();
    const client = await plane().client(proxy);
    const options = { client, namespace, name: 'seat', identity: 'a', ...times, log, signal: stop.signal };
    let error: unknown;
    let seen = 0;
    await leadWhileHolding(options, async signal => {
      // As SIGSTOP would: nothing runs, the clock goes on.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, times.renewDeadlineMs + 50);
      expect(signal.aborted).to.equal(false);
      proxy.decide = ({ body }) => {
        if (body.includes('too late')) seen++;
        return undefined;
      };
      const object = { metadata: { namespace, name: 'x' }, data: { text: 'too late' } };
      error = await client.create(configMaps, object, { signal }).catch((reason: unknown) => reason);
      stop.abort();
    });
    expect(error).to.be.instanceOf(TermEnded);
    expect(seen).to.equal(0);
    expect(await plane().admin.get(configMaps, { namespace, name: 'x' })).to.equal(undefined);
  });

  it('ends with what lead throws, and when lead returns, and gives the lease back', async () => {
    const client = await plane().client();
    const options = { client, namespace, name: 'seat', identity: 'a', ...times, log, signal: stop.signal };
    const failure = new Error('of the leader');
    const thrown = await leadWhileHolding(options, () => Promise.reject(failure)).catch((e: unknown) => e);
    expect(thrown).to.equal(failure);
    const spec = async () =>
      (await plane().admin.get(leases, { namespace, name: 'seat' }))?.spec as Record<string, unknown>;
    expect((await spec()).holderIdentity ?? '').to.equal('');
    await leadWhileHolding(options, async () => {
      expect((await spec()).holderIdentity).to.equal('a');
    });
    expect((await spec()).holderIdentity ?? '').to.equal('');
  });

  it('renews at the pace that is asked for, however often it tries what fails', async () => {
    const renewMs = 300;
    const { proxy } = await candidate('a', { renewMs });
    await eventually('a leading', () => leader() === 'a');
    const from = performance.now();
    let renewals = 0;
    proxy.decide = ({ method }) => {
      if (method === 'PUT') renewals++;
      return undefined;
    };
    await eventually('renewals', () => renewals >= 4);
    // The first comes in any moment of a pause, which is 0.9 to 1.2 times as long.
    expect(performance.now() - from).to.be.at.least(3 * 0.9 * renewMs);
  });

  it('refuses times that contradict each other', async () => {
    const client = new KubeClient((await plane().proxy()).access);
    const base = { client, namespace, name: 'seat', identity: 'a', log, signal: stop.signal };
    for (const wrong of [
      { renewDeadlineMs: 15_000 },
      { retryMs: 0 },
      { retryMs: 10_000 },
      { renewMs: 0 },
      { renewMs: 10_000 },
    ]) {
      const error = await leadWhileHolding({ ...base, ...wrong }, async () => undefined).catch(
        (e: unknown) => e,
      );
      expect(error).to.be.instanceOf(TypeError);
    }
  });
});

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
