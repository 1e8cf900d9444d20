import { expect } from 'chai';
import { pods } from '../../../api/resource.ts';
import { until } from '../../../lab/until.ts';
import { routerAdvertisement } from './router-advertisement.ts';
import { allocation, type RunningPod, startWorld, type World } from './world.ts';

describe('nri on a real containerd and Open vSwitch', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    await world.startAgent();
  });
  after(() => world?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await world.clear();
    await until(async () => (await world.devices()).length === 0 && (await world.ports()).size === 0, {
      what: 'nothing being left of the pods',
      timeout: 60_000,
      interval: 20,
    });
  });

  const addresses = async (pod: RunningPod) =>
    (await world.inPod(pod)).links.find(({ name }) => name === 'eth-ovn')?.addresses;

  function hasAddresses(pod: RunningPod, expected: readonly string[]): Promise<boolean> {
    return until(async () => (await addresses(pod))?.join() === expected.join(), {
      what: `${pod.name} having ${expected.join()}`,
      timeout: 60_000,
      interval: 20,
      detail: async () => JSON.stringify(world.log.slice(-5)),
    });
  }

  /** On a slow machine a pod may start before its NIC is there. */
  const hasBoth = (pod: RunningPod) =>
    until(async () => (await addresses(pod))?.length === 2, {
      what: `${pod.name} having its addresses`,
      timeout: 60_000,
      interval: 20,
      detail: async () => JSON.stringify(world.log.slice(-5)),
    });

  /** The port is the last of a NIC. */
  const hasPorts = (pods: readonly RunningPod[]) =>
    until(
      async () => {
        const found = [...(await world.ports()).values()].map(({ sandbox }) => sandbox);
        return (
          found.sort().join() ===
          pods
            .map(({ sandbox }) => sandbox)
            .sort()
            .join()
        );
      },
      { what: `ports of ${pods.map(({ name }) => name)} alone`, timeout: 60_000, interval: 20 },
    );

  /** How many messages of ICMPv6 its NIC has sent or received. */
  async function messages(pod: RunningPod, kind: string): Promise<number> {
    const counters = await world.run(pod, 'cat', '/proc/net/dev_snmp6/eth-ovn');
    return Number(new RegExp(`Icmp6${kind}\\s+(\\d+)`).exec(counters)?.[1]);
  }

  it('gives a pod its NIC before its containers start', async () => {
    const pod = await world.createPod('web', allocation(5));
    const running = await world.runSandbox(pod);
    const { links, routes, leavesChecksums } = await world.inPod(running);
    const link = links.find(({ name }) => name === 'eth-ovn');
    expect(link).to.include({ mac: '0a:58:0a:71:00:05', mtu: 1442, isUp: true });
    expect(link?.addresses).to.deep.equal(['10.113.0.5/16', 'fd00:10:113::5/64']);
    // The pod's first NIC has an MTU of 1450.
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
  });

  it('lets pods of a node reach each other, by both families', async () => {
    const [a, b] = await Promise.all(
      [6, 7].map(async n => world.runSandbox(await world.createPod(`peer-${n}`, allocation(n)))),
    );
    if (a === undefined || b === undefined) throw new Error('no pods');
    await Promise.all([a, b].map(hasBoth));
    await world.run(a, 'ping', '-c', '1', '-w', '5', '-I', 'eth-ovn', '10.113.0.7');
    await world.run(a, 'ping', '-c', '1', '-w', '5', '-I', 'eth-ovn', 'fd00:10:113::7');
    // The largest packet that needs no fragments.
    await world.run(a, 'ping', '-c', '1', '-w', '5', '-M', 'do', '-s', '1414', '10.113.0.7');
  });

  it('takes no router advertisement, which any pod could send, and repairs a NIC that would', async () => {
    const pod = await world.runSandbox(await world.createPod('gullible', allocation(13)));
    await hasBoth(pod);
    await hasPorts([pod]);
    const setting = '/proc/sys/net/ipv6/conf/eth-ovn/accept_ra';
    const packet = routerAdvertisement().toString('hex');
    const [device = ''] = await world.devices();
    const advertise = () =>
      world.node.run('ovs-ofctl', 'packet-out', 'br-int', `packet=${packet} actions=output:${device}`);
    const routers = () => world.run(pod, 'ip', '-6', 'route', 'show', 'default', 'dev', 'eth-ovn');
    const arrives = (count: number) =>
      until(async () => (await messages(pod, 'InRouterAdvertisements')) === count, {
        what: `${count} advertisements having arrived`,
        timeout: 60_000,
        interval: 20,
      });

    await advertise();
    await arrives(1);
    expect(await routers()).to.equal('');
    // That the same packet would have done harm.
    await world.run(pod, 'sh', '-c', `echo 1 > ${setting}`);
    await advertise();
    await arrives(2);
    expect(await routers()).to.contain('via fe80::ff:fe00:aa');

    await world.node.end('agent', 'SIGTERM');
    await world.startAgent();
    await until(async () => (await world.run(pod, 'cat', setting)) === '0\n', {
      what: 'an agent that starts switching it off',
      timeout: 60_000,
      interval: 20,
    });
  });

  it('asks no router, and nobody whether its address is taken: all ports of the network would be asked', async () => {
    const pod = await world.runSandbox(await world.createPod('quiet', allocation(14)));
    await hasBoth(pod);
    // The kernel tells of the groups that a device is in as soon as it may speak; it would have asked before.
    await until(async () => (await messages(pod, 'OutMLDv2Reports')) > 0, {
      what: 'the NIC speaking',
      timeout: 60_000,
      interval: 20,
    });
    expect(await world.run(pod, 'cat', '/proc/sys/net/ipv6/conf/eth-ovn/dad_transmits')).to.equal('0\n');
    expect(await messages(pod, 'OutRouterSolicits')).to.equal(0);
    const [device = ''] = await world.devices();
    expect(await world.node.run('ip', '-6', 'address', 'show', 'dev', device)).to.equal('');
  });

  it('says on the network which MAC an address has: gratuitous ARP and unsolicited advertisement', async () => {
    const listener = await world.runSandbox(await world.createPod('listener', allocation(8)));
    await hasBoth(listener);
    await world.run(
      listener,
      'sh',
      '-c',
      'for a in 10.113.0.9 fd00:10:113::9; do ip neigh replace $a lladdr 02:00:00:00:00:01 dev eth-ovn nud stale; done',
    );
    await world.runSandbox(await world.createPod('speaker', allocation(9)));
    await until(
      async () => {
        const known = await world.run(listener, 'ip', 'neigh', 'show', 'dev', 'eth-ovn');
        return (
          known.match(/::9 lladdr 0a:58:0a:71:00:09/) && known.match(/\.9 lladdr 0a:58:0a:71:00:09/) !== null
        );
      },
      { what: 'both announcements being heard', timeout: 60_000, interval: 20 },
    );
  });

  it('starts a pod whose address is late, and attaches it when it comes', async () => {
    const pod = await world.createPod('late');
    const begin = performance.now();
    const running = await world.runSandbox(pod);
    const first = performance.now() - begin;
    expect(first).to.be.within(1_000, 10_000);
    expect(await addresses(running)).to.equal(undefined);
    // The runtime starts one pod at a time: the next one does not wait in vain as well.
    const again = performance.now();
    await world.runSandbox(await world.createPod('late-2'));
    expect(performance.now() - again).to.be.lessThan(first);
    await world.annotate('late', allocation(10));
    await hasAddresses(running, ['10.113.0.10/16', 'fd00:10:113::a/64']);
  });

  it('changes a NIC whose pod gets another address, and adds nothing to those of others', async () => {
    const annotations = allocation(11);
    const running = await world.runSandbox(await world.createPod('moving', annotations), { annotations });
    await world.annotate('moving', allocation(12));
    await hasAddresses(running, ['10.113.0.12/16', 'fd00:10:113::c/64']);
    const { links, routes } = await world.inPod(running);
    expect(links.find(({ name }) => name === 'eth-ovn')?.mac).to.equal('0a:58:0a:71:00:0c');
    expect(routes.filter(({ device }) => device === 'eth-ovn')).to.have.length(2);
    await until(async () => [...(await world.ports()).values()][0]?.ip === '10.113.0.12,fd00:10:113::c', {
      what: 'the new addresses at the port',
      timeout: 60_000,
      interval: 20,
    });
    // Who forces a pod out of the API leaves its containers to end by themselves; the runtime knows the old addresses alone.
    await world.deletePod('moving');
    const next = await world.runSandbox(await world.createPod('next', allocation(13)));
    await hasBoth(next);
    expect(await addresses(running)).to.deep.equal(['10.113.0.12/16', 'fd00:10:113::c/64']);
  });

  it('leaves pods on the host network alone', async () => {
    const pod = await world.admin.create(pods, {
      metadata: { namespace: 'default', name: 'host' },
      spec: { nodeName: world.node.name, hostNetwork: true, containers: [{ name: 'main', image: 'none' }] },
    });
    await world.runSandbox(pod, { hostNetwork: true });
    expect(await world.devices()).to.deep.equal([]);
  });

  it('refuses hostile annotations, and goes on with others', async () => {
    const hostile = [
      { 'nauti.io/mac_address': '$(touch /tmp/hostile)' },
      { 'nauti.io/ip_address': '10.113.0.13; reboot' },
      { 'nauti.io/ip_address': '10.113.0.13\nlink del dev eth0' },
      { 'nauti.io/routes': '[{"dst":"0.0.0.0/0","gw":"10.113.0.1"}]' },
      { 'nauti.io/routes': `[{"dst":"10.112.0.0/12","gw":"10.113.0.1 dev eth0"}]` },
      { 'nauti.io/cidr': '0.0.0.0/0\u0000' },
    ];
    for (const [index, more] of hostile.entries()) {
      const name = `hostile-${index}`;
      const running = await world.runSandbox(await world.createPod(name, allocation(13, more)));
      expect(await addresses(running)).to.equal(undefined);
      const line = await until(
        () => world.log.find(({ msg, pod }) => msg === 'pod is refused a NIC' && pod === `default/${name}`),
        { what: `the refusal of ${name}`, timeout: 60_000, interval: 20 },
      );
      expect(line.reason).to.match(/^Cannot use nauti\.io\//);
    }
    const running = await world.runSandbox(await world.createPod('honest', allocation(14)));
    await hasBoth(running);
    // What is put right is attached.
    const [pod] = (await world.sandboxes()).filter(({ name }) => name === 'hostile-0');
    if (pod === undefined) throw new Error('no sandbox');
    await world.annotate('hostile-0', allocation(15));
    await hasAddresses(pod, ['10.113.0.15/16', 'fd00:10:113::f/64']);
  });

  it('a pod made again under its name takes the port from the one before, whose end takes nothing', async () => {
    const first = await world.runSandbox(await world.createPod('db-0', allocation(16)));
    await hasPorts([first]);
    await world.deletePod('db-0');
    const second = await world.runSandbox(await world.createPod('db-0', allocation(16)));
    await hasBoth(second);
    await hasPorts([second]);
    const ports = await world.ports();
    await world.stopSandbox(first);
    await world.removeSandbox(first);
    expect(await world.ports()).to.deep.equal(ports);
    expect(await addresses(second)).to.have.length(2);
  });

  it('stopping and removing do no harm, in any order and number', async () => {
    const running = await world.runSandbox(await world.createPod('brief', allocation(17)));
    const other = await world.runSandbox(await world.createPod('stays', allocation(18)));
    await hasPorts([running, other]);
    await world.stopSandbox(running);
    await world.stopSandbox(running);
    await world.removeSandbox(running);
    await world.removeSandbox(running);
    await world.stopSandbox(running).catch(() => {});
    await hasPorts([other]);
    await until(async () => (await world.devices()).length === 1, { what: 'one device', timeout: 60_000 });
    expect(await addresses(other)).to.have.length(2);
  });
});
