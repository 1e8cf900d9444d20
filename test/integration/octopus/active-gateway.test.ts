import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { leases } from '../../../api/resource.ts';
import { microTime } from '../../../kube/lease.ts';
import { until } from '../../../lab/until.ts';
import { carryWhileActive } from '../../../octopus/active-gateway.ts';
import { silentLogger } from '../../../process/log.ts';
import type { FaultProxy } from '../kube/fault-proxy.ts';
import { useTestPlane } from '../kube/plane.ts';

const log = silentLogger();
const times = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryMs: 60 };

describe('two gateways of a cluster, on a real API server', function () {
  this.timeout(180_000);
  const plane = useTestPlane();
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  let namespace: string;

  before(async () => {
    namespace = await plane().namespace();
  });
  after(async () => {
    stop.abort();
    await Promise.allSettled(running);
    await plane().closeAll();
  });

  /** @param namespace of its lease. @param endMs how long it takes to take its tunnels away. */
  async function gateway(identity: string, namespace: string, endMs = 0) {
    const proxy: FaultProxy = await plane().proxy();
    const client = await plane().client(proxy);
    const state = { carries: false, isDoubtful: false };
    const history: string[] = [];
    const left: string[] = [];
    running.push(
      carryWhileActive({
        lease: { client, namespace, name: 'gateway', identity, ...times, log, signal: stop.signal },
        carry: async signal => {
          history.push('begins');
          state.carries = true;
          await new Promise<void>(resolve =>
            signal.addEventListener('abort', () => resolve(), { once: true }),
          );
          await sleep(endMs);
          state.carries = false;
          history.push('ends');
        },
        isHeard: () => true,
        onDoubt: isDoubtful => {
          state.isDoubtful = isDoubtful;
        },
        clear: async () => {
          left.length = 0;
        },
        leftovers: async () => left,
        standByMs: 50,
        log,
      }),
    );
    return { proxy, state, history, left };
  }

  it('one that cannot renew goes on, in doubt, as long as nobody takes the lease; then it stops', async () => {
    const first = await gateway('first', namespace);
    await until(() => first.state.carries, { what: 'the first one carrying', timeout: 60_000 });
    // It may look at the lease, which goes on naming it, and not write.
    first.proxy.decide = ({ method }) => (method === 'GET' ? undefined : { answer: { status: 500 } });
    await until(() => first.state.isDoubtful, { what: 'its doubt', timeout: 60_000 });
    const reads = first.proxy.requests;
    await until(() => first.proxy.requests > reads + 10, { what: 'more looks', timeout: 60_000 });
    expect(first.state).to.deep.equal({ carries: true, isDoubtful: true });
    const second = await gateway('second', namespace);
    await until(() => second.state.carries, { what: 'the second one carrying', timeout: 60_000 });
    await until(() => !first.state.carries, { what: 'the first one stopping', timeout: 60_000 });
    expect(second.state).to.deep.equal({ carries: true, isDoubtful: false });
  });

  it('one that stands by gives up whatever it has, once another one is known to carry', async () => {
    const namespace = await plane().namespace();
    const first = await gateway('first', namespace);
    await until(() => first.state.carries, { what: 'the first one carrying', timeout: 60_000 });
    const second = await gateway('second', namespace);
    second.proxy.decide = () => ({ answer: { status: 500 } });
    second.left.push('10.113.0.1/16');
    // As long as nobody says whose the tunnels are, they stay.
    const asked = second.proxy.requests;
    await until(() => second.proxy.requests > asked + 10, { what: 'looks', timeout: 60_000 });
    expect(second.left).to.deep.equal(['10.113.0.1/16']);
    second.proxy.decide = () => undefined;
    await until(() => second.left.length === 0, { what: 'nothing being left', timeout: 60_000 });
    expect(first.state.carries).to.equal(true);
  });

  it('one that wins the lease again before its former tunnels are away begins after that', async () => {
    const namespace = await plane().namespace();
    const slow = await gateway('slow', namespace, 8_000);
    await until(() => slow.state.carries, { what: 'it carrying', timeout: 60_000 });
    const client = await plane().client(await plane().proxy());
    // Another one for a moment.
    await client.patch(
      leases,
      { namespace, name: 'gateway' },
      {
        contentType: 'application/merge-patch+json',
        body: {
          spec: { holderIdentity: 'other', leaseDurationSeconds: 1, renewTime: microTime(new Date()) },
        },
      },
    );
    await until(() => slow.history.length > 2, { what: 'it carrying again', timeout: 60_000 });
    expect(slow.history).to.deep.equal(['begins', 'ends', 'begins']);
  });
});
