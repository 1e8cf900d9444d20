import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { KubeObject } from '../../../api/meta.ts';
import { until } from '../../../lab/until.ts';
import { allocation, type RunningPod, startWorld, type World } from './world.ts';

describe('nri by other ways than usual', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await world.clear();
    await until(async () => (await world.devices()).length === 0 && (await world.ports()).size === 0, {
      what: 'nothing being left of the pods',
      timeout: 60_000,
      interval: 20,
      detail: () => JSON.stringify(world.log.slice(-8)),
    });
    await world.node.end('agent', 'SIGTERM');
  });

  const hasNic = async (pod: RunningPod) =>
    (await world.inPod(pod)).links.some(
      ({ name, addresses }) => name === 'eth-ovn' && addresses.length === 2,
    );
  const getsNic = (pod: RunningPod) =>
    until(() => hasNic(pod), {
      what: `${pod.name} having its NIC`,
      timeout: 60_000,
      interval: 20,
      detail: () => JSON.stringify(world.log.slice(-8)),
    });

  let attempt = 0;

  /** Containerd asks no plugin that was late before, until that has come again: on a slow machine the first word may be lost. */
  const isRefused = (pod: KubeObject) =>
    until(
      async () => {
        try {
          await world.stopSandbox(await world.runSandbox(pod, { attempt: ++attempt }));
          return false;
        } catch (error) {
          return String(error).includes('the second NIC could not be made in time');
        }
      },
      { what: 'the refusal', timeout: 60_000, interval: 100 },
    );

  /** As a kubelet does: a slow machine may need more than one. */
  async function startAgain(pod: KubeObject): Promise<RunningPod> {
    return until(() => world.runSandbox(pod, { attempt: ++attempt }).catch(() => undefined), {
      what: 'the start of the pod',
      timeout: 60_000,
      interval: 100,
    });
  }

  it('with --require lets no pod start without its NIC, and does not hold up others for long', async () => {
    await world.startAgent('--require', 'true', '--wait', '300ms');
    const pod = await world.createPod('strict');
    await isRefused(pod);
    await world.annotate('strict', allocation(5));
    await world.seen();
    expect(await hasNic(await startAgain(pod))).to.equal(true);
  });

  it('with --require lets pods start again after one whose NIC could not be made in time', async () => {
    await world.startAgent('--require', 'true');
    const pod = await world.createPod('early', allocation(8));
    await world.node.end('ovsdb-server');
    await isRefused(pod).finally(() => world.node.startDatabase());
    expect(await hasNic(await startAgain(pod))).to.equal(true);
  });

  it('gives 30 pods that start at once a working NIC each, and takes all away', async () => {
    await world.startAgent();
    const pods = await Promise.all(
      Array.from({ length: 30 }, (_, i) => world.createPod(`many-${i}`, allocation(20 + i))),
    );
    const running = await Promise.all(pods.map(pod => world.runSandbox(pod)));
    await Promise.all(running.map(getsNic));
    // The port is the last of a NIC.
    await until(async () => (await world.ports()).size === 30, { what: '30 ports', timeout: 60_000 });
    expect(new Set(await world.devices()).size).to.equal(30);
    const [first] = running;
    if (first === undefined) throw new Error('no pod');
    for (const n of [21, 33, 49]) await world.run(first, 'ping', '-c', '1', '-w', '5', `10.113.0.${n}`);
    expect(await world.metric('nauti_nri_nics')).to.equal(30);
  });

  it('gives a pod its NIC whose sandbox was just made when containerd was killed', async () => {
    const runc = join(world.node.directory, 'runc-and-crash');
    // As a crash would between the start of the sandbox and the moment in which containerd has written that down.
    const script = `#!/bin/sh
case " $* " in *" start "*) runc "$@"; kill -9 $(pidof containerd) ;; *) exec runc "$@" ;; esac
`;
    await writeFile(runc, script, { mode: 0o755 });
    await world.node.end('containerd');
    await world.node.startContainerd({ runc });
    await world.startAgent();
    const failure = await world.runSandbox(await world.createPod('half', allocation(9))).then(
      () => undefined,
      error => error as Error,
    );
    expect(failure?.name).to.equal('CriError');
    await world.node.startContainerd();
    const [kept, ...more] = await world.sandboxes();
    expect(more).to.deep.equal([]);
    if (kept === undefined) throw new Error('containerd did not keep the sandbox');
    expect(kept.name).to.equal('half');
    await getsNic(kept);
    const next = await world.runSandbox(await world.createPod('next', allocation(10)));
    await world.run(next, 'ping', '-c', '1', '-w', '5', '10.113.0.9');

    const since = world.log.length;
    await world.node.end('agent', 'SIGTERM');
    await world.startAgent();
    await until(() => world.log.slice(since).filter(({ way }) => way === 'adopt').length === 2, {
      what: 'both NICs being adopted',
      timeout: 60_000,
      interval: 20,
    });
    expect(world.log.slice(since).filter(({ msg }) => msg === 'NIC was repaired')).to.deep.equal([]);
  });

  it('finds pods out of band where the runtime has no NRI, and goes over to NRI when it comes', async () => {
    await world.node.end('containerd');
    await world.node.run('rm', '-f', '/run/nri/nri.sock');
    await world.node.startContainerd({ nri: false });
    const before = await world.runSandbox(await world.createPod('before', allocation(6)));
    await world.startAgent();
    await getsNic(before);
    expect(await world.metric('nauti_nri_mode{mode="cri"}')).to.equal(1);
    const after = await world.runSandbox(await world.createPod('after', allocation(7)));
    await getsNic(after);
    await world.run(after, 'ping', '-c', '1', '-w', '5', '10.113.0.6');
    await world.deletePod('before');
    await world.stopSandbox(before);
    await until(async () => (await world.ports()).size === 1, {
      what: 'the NIC of the stopped pod going',
      timeout: 60_000,
      interval: 50,
    });
    const since = world.log.length;
    await world.node.end('containerd');
    await world.node.startContainerd();
    await until(async () => (await world.metric('nauti_nri_mode{mode="nri"}')) === 1, {
      what: 'NRI being used',
      timeout: 60_000,
      interval: 100,
    });
    await until(
      () => world.log.slice(since).some(({ msg }) => msg === 'the container runtime tells of pods'),
      {
        what: 'the runtime telling of pods',
        timeout: 60_000,
      },
    );
    expect(world.log.slice(since).filter(({ msg }) => msg === 'NIC was repaired')).to.deep.equal([]);
    expect(await hasNic(after)).to.equal(true);
  });
});
