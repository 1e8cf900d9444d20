import { expect } from 'chai';
import { until } from '../../../lab/until.ts';
import { allocation, startWorld, type World } from './world.ts';

describe('nri on a real containerd and Open vSwitch', function () {
  this.timeout(60_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    await world.startAgent();
  });
  after(() => world[Symbol.asyncDispose]());
  afterEach(() => world.clear());

  it('gives a pod its NIC before its containers start', async () => {
    const pod = await world.createPod('web', allocation(5));
    const running = await world.runSandbox(pod);
    const { links, routes, leavesChecksums } = await world.inPod(running);
    const link = links.find(({ name }) => name === 'eth-ovn');
    expect(link).to.include({ mac: '0a:58:0a:71:00:05', mtu: 1442, isUp: true });
    expect(link?.addresses).to.deep.equal(['10.113.0.5/16', 'fd00:10:113::5/64']);
    expect(routes.filter(({ device }) => device === 'eth-ovn')).to.deep.equal([
      { device: 'eth-ovn', destination: '10.112.0.0/12', gateway: '10.113.0.1', mtu: 1370 },
      { device: 'eth-ovn', destination: 'fd00:10::/32', gateway: 'fd00:10:113::1', mtu: 1370 },
    ]);
    expect(leavesChecksums).to.equal(false);
    const [[name, ids] = ['', {}]] = [...(await world.ports())];
    expect(ids).to.include({
      'iface-id': 'web.default',
      pod_name: 'web',
      pod_namespace: 'default',
      ip: '10.113.0.5,fd00:10:113::5',
      pod_netns: running.netns,
      vendor: 'nauti',
    });
    expect(await world.devices()).to.deep.equal([name]);
    await world.stopSandbox(running);
    await until(async () => (await world.devices()).length === 0 && (await world.ports()).size === 0, {
      what: 'the NIC going with its pod',
      timeout: 5_000,
      interval: 20,
    });
  });
});
