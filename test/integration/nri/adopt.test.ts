import { type ChildProcess, spawn } from 'node:child_process';
import { expect } from 'chai';
import { until } from '../../../lab/until.ts';
import { longestGap, losses } from '../../e2e/ping-losses.ts';
import { allocation, type RunningPod, startWorld, type World } from './world.ts';

describe('nri over restarts', function () {
  this.timeout(180_000);
  let world: World;
  let a: RunningPod;
  let b: RunningPod;

  before(async () => {
    world = await startWorld();
    await world.startAgent();
  });
  after(() => world?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    a = await world.runSandbox(await world.createPod('a', allocation(5)));
    b = await world.runSandbox(await world.createPod('b', allocation(6)));
    // On a slow machine a pod may start before its NIC is there.
    await reached();
  });
  afterEach(async () => {
    await world.clear();
    await isClean();
  });

  const isClean = () =>
    until(async () => (await world.devices()).length === 0 && (await world.ports()).size === 0, {
      what: 'nothing being left of the pods',
      timeout: 60_000,
      interval: 20,
      detail: () =>
        world.log
          .slice(-12)
          .map(line => JSON.stringify(line))
          .join('\n'),
    });

  /** Pings every 10 ms until it is ended; and the most packets in a row that were lost. */
  function startPing(): { end(): Promise<{ answered: number; row: number }> } {
    const [command, words] = world.node.commandIn('nsenter', [
      ...[`--net=${a.netns}`, 'timeout', '--signal=INT', '170'],
      ...['ping', '-i', '0.01', '10.113.0.6'],
    ]);
    const child: ChildProcess = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', text => {
      output += text;
    });
    const ended = new Promise(resolve => child.once('close', resolve));
    return {
      async end() {
        await world.node.run('pkill', '-INT', '-x', 'ping');
        await ended;
        const { answered, lost } = losses(output);
        return { answered, row: longestGap(lost) };
      },
    };
  }

  const reached = () =>
    until(
      () =>
        world.run(a, 'ping', '-c', '1', '-W', '1', '10.113.0.6').then(
          () => true,
          () => false,
        ),
      {
        what: 'the pods reaching each other',
        timeout: 60_000,
        interval: 20,
        detail: () =>
          world.log
            .slice(-12)
            .map(line => JSON.stringify(line))
            .join('\n'),
      },
    );

  const adopted = (since: number) =>
    until(() => world.log.slice(since).filter(({ way }) => way === 'adopt').length === 2, {
      what: 'both NICs being adopted',
      timeout: 60_000,
      interval: 20,
      detail: () => JSON.stringify(world.log.slice(since)),
    });

  /** OVS forwards in user space here, and drops some in a row where it has a fraction of a core; a NIC made anew costs dozens. */
  const mostInRow = 4;

  it('loses no more than single packets when the agent ends and comes again, and changes nothing', async () => {
    const before = await world.ports();
    const ping = startPing();
    const since = world.log.length;
    expect(await world.node.end('agent', 'SIGTERM')).to.equal(0);
    await world.startAgent();
    await adopted(since);
    const { answered, row } = await ping.end();
    expect(answered).to.be.greaterThan(20);
    expect(row).to.be.at.most(mostInRow);
    expect(await world.ports()).to.deep.equal(before);
    expect(world.log.slice(since).filter(({ msg }) => msg === 'NIC was repaired')).to.deep.equal([]);
  });

  it('changes no route when it comes again and pods have made tunnels of their own, as a gateway has', async () => {
    const tunnel = 'ip tuntap add dev wg0 mode tun; ip link set wg0 mtu 1420 up';
    for (const pod of [a, b]) await world.run(pod, 'sh', '-euc', tunnel);
    await world.node.end('agent', 'SIGTERM');
    const since = world.log.length;
    await world.startAgent();
    await adopted(since);
    // The pods' first NIC has an MTU of 1450.
    expect((await world.inPod(a)).routes.filter(({ device }) => device === 'eth-ovn')).to.deep.equal([
      { device: 'eth-ovn', destination: '10.112.0.0/12', gateway: '10.113.0.1', mtu: 1370 },
      { device: 'eth-ovn', destination: 'fd00:10::/32', gateway: 'fd00:10:113::1', mtu: 1370 },
    ]);
    expect(world.log.slice(since).filter(({ msg }) => msg === 'NIC was repaired')).to.deep.equal([]);
  });

  it('loses no more than single packets when containerd is killed and comes again, and takes pods that started meanwhile', async () => {
    const before = await world.ports();
    const ping = startPing();
    await world.node.end('containerd');
    await world.node.startContainerd();
    const pod = await world.runSandbox(await world.createPod('c', allocation(7)));
    await until(async () => (await world.inPod(pod)).links.some(({ name }) => name === 'eth-ovn'), {
      what: 'a pod of the new containerd having its NIC',
      timeout: 60_000,
      interval: 50,
    });
    expect((await ping.end()).row).to.be.at.most(mostInRow);
    const now = await world.ports();
    for (const [name, port] of before) expect(now.get(name)).to.deep.equal(port);
  });

  it('finds its way when the database server was killed, and changes nothing', async () => {
    const before = await world.ports();
    await world.node.end('ovsdb-server');
    const pod = await world.createPod('c', allocation(7));
    await world.runSandbox(pod);
    await world.node.startDatabase();
    await until(async () => (await world.ports()).size === 3, {
      what: 'the pod that started without a database having its port',
      timeout: 60_000,
      interval: 50,
    });
    // The userspace datapath itself stands still while it has no database: no ping would go through before.
    await reached();
    const after = await world.ports();
    for (const [name, ids] of before) expect(after.get(name)).to.deep.equal(ids);
  });

  it('needs nothing when the switch itself was killed: the NICs are where they were', async () => {
    const before = await world.ports();
    await world.node.end('ovs-vswitchd');
    const begin = performance.now();
    await world.node.startVswitchd();
    await reached();
    expect(performance.now() - begin).to.be.lessThan(30_000);
    expect(await world.ports()).to.deep.equal(before);
  });

  it('removes what belongs to no pod, repairs what was changed, and touches nothing healthy', async () => {
    await world.node.end('agent');
    // While nobody looks: a pod goes, devices of nobody come, and a NIC is changed in three ways.
    await world.stopSandbox(b);
    await world.removeSandbox(b);
    await world.node.run(
      'ip',
      'link',
      'add',
      'nautiaaaaaaaaaa',
      'type',
      'veth',
      'peer',
      'name',
      'nautibbbbbbbbbb',
    );
    await world.node.run('ip', 'link', 'add', 'nautical0', 'type', 'veth', 'peer', 'name', 'nautical1');
    const other = await world.runSandbox(await world.createPod('c', allocation(7)));
    await world.run(
      a,
      'sh',
      '-c',
      'ip address del 10.113.0.5/16 dev eth-ovn; ip link set eth-ovn mtu 1300; ethtool -K eth-ovn tx on',
    );
    const since = world.log.length;
    await world.startAgent();
    await until(async () => (await world.ports()).size === 2 && (await world.devices()).length === 4, {
      what: 'one NIC of each pod and the foreign devices',
      timeout: 60_000,
      interval: 50,
      detail: async () => `${await world.devices()} ${JSON.stringify(world.log.slice(since))}`,
    });
    await world.run(a, 'ping', '-c', '1', '-w', '50', '10.113.0.7');
    const { links, leavesChecksums, routes } = await world.inPod(a);
    expect(links.find(({ name }) => name === 'eth-ovn')).to.include({ mtu: 1442 });
    expect(routes.some(({ destination }) => destination === '10.112.0.0/12')).to.equal(true);
    expect(leavesChecksums).to.equal(false);
    expect((await world.inPod(other)).links.some(({ name }) => name === 'eth-ovn')).to.equal(true);
    await world.node.run('ip', 'link', 'del', 'nautical0');
  });

  it('takes away what is left of a pod whose network went while nobody told of it', async () => {
    await world.node.end('agent', 'SIGTERM');
    await world.deletePod('b');
    // containerd goes on listing the sandbox, without its network.
    await world.stopSandbox(b);
    expect((await world.ports()).size).to.equal(2);
    await world.startAgent();
    await until(async () => (await world.ports()).size === 1, {
      what: 'the port of the pod that ended going',
      timeout: 10_000,
      interval: 20,
      detail: () => JSON.stringify(world.log.slice(-8)),
    });
    expect([...(await world.ports()).values()].map(ids => ids.pod_name)).to.deep.equal(['a']);
    expect((await world.inPod(a)).links.map(({ name }) => name)).to.include('eth-ovn');
  });

  it('makes a NIC anew that was deleted, under another name', async () => {
    const [device] = [...(await world.ports())].find(([, { pod_name }]) => pod_name === 'a') ?? [''];
    await world.node.run('ip', 'link', 'del', device);
    await until(
      () =>
        world.run(a, 'ping', '-c', '1', '-W', '1', '10.113.0.6').then(
          () => true,
          () => false,
        ),
      {
        what: 'the pod being reached again',
        timeout: 60_000,
        interval: 100,
        detail: async () => JSON.stringify(world.log.slice(-8)),
      },
    );
    expect(await world.devices())
      .to.have.length(2)
      .and.not.to.include(device);
  });

  it('puts ports back that were taken off the switch', async () => {
    const [name] = [...(await world.ports()).keys()];
    await world.node.vsctl('del-port', name ?? '');
    await until(async () => (await world.ports()).size === 2, {
      what: 'the port being back',
      timeout: 60_000,
      interval: 20,
    });
    await world.run(a, 'ping', '-c', '1', '-w', '50', '10.113.0.6');
  });
});
