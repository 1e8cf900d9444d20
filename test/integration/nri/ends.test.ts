/** Pods that end while something else stands still or is away: nothing of them is left, in the switch or in the agent. */
import { until } from '../../../lab/until.ts';
import { allocation, type RunningPod, startWorld, type World } from './world.ts';

describe('nri and the ends of pods', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    await world.startAgent();
  });
  after(() => world?.[Symbol.asyncDispose]());
  afterEach(() => world.clear());

  const lastLines = () =>
    world.log
      .slice(-12)
      .map(line => JSON.stringify(line))
      .join('\n');
  const portsAreOf = (...pods: readonly RunningPod[]) =>
    until(
      async () => {
        const found = [...(await world.ports()).values()].map(({ sandbox }) => sandbox);
        return found.length === pods.length && pods.every(({ sandbox }) => found.includes(sandbox));
      },
      {
        what: `ports of ${pods.map(({ sandbox }) => sandbox)} alone`,
        timeout: 60_000,
        interval: 20,
        detail: lastLines,
      },
    );
  const waits = (count: number, orElse = async () => false) =>
    until(async () => (await world.metric('nauti_nri_pods_waiting')) === count || (await orElse()), {
      what: `${count} pods being taken for ones that wait for their NIC`,
      timeout: 60_000,
      interval: 20,
      detail: lastLines,
    });
  async function end(pod: RunningPod): Promise<void> {
    await world.stopSandbox(pod);
    await world.removeSandbox(pod);
  }

  it('forgets a sandbox that ended while the switch was away, also where the pod has another one by then', async () => {
    const pod = await world.createPod('again', allocation(5));
    const first = await world.runSandbox(pod);
    await portsAreOf(first);
    await world.node.end('ovsdb-server');
    await end(first);
    const second = await world.runSandbox(pod, { attempt: 1 }).finally(() => world.node.startDatabase());
    await portsAreOf(second);
    await waits(0);
  });

  it('takes a port away that a database which stood still adds when its pod is gone', async () => {
    await world.node.whileStopped('ovsdb-server', async () => {
      const gone = await world.runSandbox(await world.createPod('gone', allocation(6)));
      await end(gone);
      // On a slow machine the database is given up before the pod is.
      await waits(0, async () => (await world.metric('nauti_nri_ovs_connected')) === 0);
    });
    // What comes later is done later.
    const next = await world.runSandbox(await world.createPod('next', allocation(7)));
    await portsAreOf(next);
  });

  it('forgets a pod without a NIC whose end containerd does not tell', async () => {
    const pod = await world.runSandbox(await world.createPod('bare'));
    await waits(1);
    const since = world.log.length;
    await world.node.end('containerd');
    await world.node.startContainerd();
    await until(() => world.log.slice(since).some(({ sandboxes }) => sandboxes === 1), {
      what: 'the new containerd telling of the pod',
      timeout: 60_000,
      interval: 20,
    });
    await end(pod);
    await world.deletePod('bare');
    await waits(0);
  });
});
