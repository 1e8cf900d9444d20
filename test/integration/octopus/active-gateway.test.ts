import { expect } from 'chai';
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

  async function gateway(identity: string) {
    const proxy: FaultProxy = await plane().proxy();
    const client = await plane().client(proxy);
    const state = { carries: false, isDoubtful: false };
    running.push(
      carryWhileActive({
        lease: { client, namespace, name: 'gateway', identity, ...times, log, signal: stop.signal },
        carry: async signal => {
          state.carries = true;
          await new Promise<void>(resolve =>
            signal.addEventListener('abort', () => resolve(), { once: true }),
          );
          state.carries = false;
        },
        isHeard: () => true,
        onDoubt: isDoubtful => {
          state.isDoubtful = isDoubtful;
        },
        clear: async () => {},
        log,
      }),
    );
    return { proxy, state };
  }

  it('one that cannot renew goes on, in doubt, as long as nobody takes the lease; then it stops', async () => {
    const first = await gateway('first');
    await until(() => first.state.carries, { what: 'the first one carrying', timeout: 60_000 });
    // It may look at the lease, which goes on naming it, and not write.
    first.proxy.decide = ({ method }) => (method === 'GET' ? undefined : { answer: { status: 500 } });
    await until(() => first.state.isDoubtful, { what: 'its doubt', timeout: 60_000 });
    const reads = first.proxy.requests;
    await until(() => first.proxy.requests > reads + 10, { what: 'more looks', timeout: 60_000 });
    expect(first.state).to.deep.equal({ carries: true, isDoubtful: true });
    const second = await gateway('second');
    await until(() => second.state.carries, { what: 'the second one carrying', timeout: 60_000 });
    await until(() => !first.state.carries, { what: 'the first one stopping', timeout: 60_000 });
    expect(second.state).to.deep.equal({ carries: true, isDoubtful: false });
  });
});
