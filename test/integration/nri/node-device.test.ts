/** The node's own device on a real Open vSwitch and a real packet filter, and what reaches the node through it. */
import { expect } from 'chai';
import { nodes } from '../../../api/resource.ts';
import { until } from '../../../lab/until.ts';
import { observingScript } from '../../../nri/device-scripts.ts';
import { type ObservedNamespace, observingLines, readNamespace } from '../../../nri/observed-nic.ts';
import { allocation, startWorld, type World } from './world.ts';

const listen = (port: number) =>
  `import socket; s = socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::", ${port})); s.listen()
while True:
  c, a = s.accept(); c.sendall(a[0].replace("::ffff:", "").encode()); c.close()`;

/** A pod `plain` that has only the first network. */
const plainPod = `ip netns add plain
ip link add plain0 type veth peer name eth0 netns plain
ip link set plain0 up
ip address add 10.244.99.1/24 dev plain0
ip -n plain link set eth0 up
ip -n plain address add 10.244.99.2/24 dev eth0
ip -n plain route add default via 10.244.99.1
mount -o remount,rw /proc/sys 2>/dev/null || :
sysctl -qw net.ipv4.ip_forward=1`;

/** The gateway's pod speaks for another cluster too: it has an address of that, and would send to any network of the node. */
const otherCluster = `ip address add 10.114.0.5/32 dev lo
ip address add fd00:10:114::5/128 dev lo
ip route add 10.244.99.0/24 via 10.113.0.9`;

describe("the node's own device, on a real Open vSwitch", function () {
  this.timeout(180_000);
  let world: World;
  /** Paths of network namespaces. */
  const namespaces = { far: '', plain: '/run/netns/plain' };
  const into = (name: 'far' | 'plain' | undefined) =>
    name === undefined ? [] : [`--net=${namespaces[name]}`];
  const inNamespace = (name: 'far' | 'plain' | undefined, ...words: readonly string[]) =>
    world.node.run('nsenter', ...into(name), ...words);

  before(async function () {
    this.timeout(180_000);
    world = await startWorld();
    await world.node.run('sh', '-euc', plainPod);
    await world.startAgent();
    const { 'nauti.io/routes': _, ...gateway } = allocation(1);
    namespaces.far = (await world.runSandbox(await world.createPod('gateway', gateway))).netns;
    await inNamespace('far', 'sh', '-euc', otherCluster);
    for (const [name, netns, port] of [
      ['kubelet', undefined, 10_250],
      ['service', 'far', 80],
      ['pod', 'plain', 8080],
    ] as const) {
      world.node.start(name, 'nsenter', [...into(netns), 'python3', '-c', listen(port)]);
    }
  });
  after(() => world?.[Symbol.asyncDispose]());

  async function observe(): Promise<ObservedNamespace> {
    const script = `printf '${observingLines.join('\\n')}\\n' | { ${observingScript('ovn0')}; }`;
    return readNamespace(await world.node.run('sh', '-c', script, '/proc/sys/net'));
  }
  const device = async () => (await observe()).links.find(({ name }) => name === 'ovn0');
  const rules = () => world.node.run('sh', '-c', 'nft --stateless list table inet nauti 2>/dev/null || :');
  const ready = () => world.metric('nauti_nri_node_device_ready');
  const isReady = (timeout = 60_000) =>
    until(async () => (await ready()) === 1, {
      what: 'the node having its device',
      timeout,
      interval: 50,
      detail: () => JSON.stringify(world.log.slice(-5)),
    });
  const refusedFor = (what: string) =>
    until(
      () =>
        world.log.some(
          ({ msg, reason }) => msg === 'node is refused its device' && String(reason).includes(what),
        ),
      { what: `the refusal for ${what}`, timeout: 60_000, interval: 50 },
    );
  const annotate = (annotations: Record<string, string | null>) =>
    world.admin.patch(
      nodes,
      { name: world.node.name },
      { contentType: 'application/merge-patch+json', body: { metadata: { annotations } } },
    );
  /** What a server on `address` says that the client's address is; its error if it says nothing. */
  const ask = (from: 'far' | 'plain' | undefined, address: string, port: number) => {
    const client = `import socket; print(socket.create_connection(("${address}", ${port}), 0.7).recv(99).decode())`;
    return inNamespace(from, 'python3', '-c', client).then(
      text => text.trim(),
      error => (/timed out|refused|unreachable/i.exec(String(error)) ?? [String(error)])[0].toLowerCase(),
    );
  };

  /** A busy machine may take more than one attempt; what must not be reached is tried once. */
  const answers = (expected: string, ...question: Parameters<typeof ask>) =>
    until(async () => (await ask(...question)) === expected, {
      what: `${question.join()} seeing ${expected}`,
      timeout: 60_000,
      interval: 50,
    });

  it('is not there before the Node says what it has', async () => {
    await world.admin.create(nodes, { metadata: { name: world.node.name } });
    await world.seen();
    expect(await device()).to.equal(undefined);
    expect(await rules()).to.equal('');
    expect(await ready()).to.equal(0);
  });

  it('has what the Node says, behind its rules', async () => {
    const { 'nauti.io/pod_nic_type': _, ...given } = allocation(9);
    await annotate(given);
    await isReady();
    expect(await device()).to.deep.include({
      mac: '0a:58:0a:71:00:09',
      mtu: 1442,
      isUp: true,
      addresses: ['10.113.0.9/16', 'fd00:10:113::9/64'],
    });
    const { routes, leavesChecksums, takesRouters } = await observe();
    expect(takesRouters).to.equal(false);
    // The pods' first NIC has 1450.
    expect(routes.filter(route => route.device === 'ovn0')).to.deep.equal([
      { device: 'ovn0', destination: '10.112.0.0/12', gateway: '10.113.0.1', mtu: 1370 },
      { device: 'ovn0', destination: 'fd00:10::/32', gateway: 'fd00:10:113::1', mtu: 1370 },
    ]);
    expect(leavesChecksums).to.equal(false);
    expect((await world.ports()).get('ovn0')).to.include({
      'iface-id': 'node-node1',
      node: 'node1',
      ip: '10.113.0.9,fd00:10:113::9',
      vendor: 'nauti',
    });
    expect(await rules()).to.match(
      /masquerade[\s\S]*chain forwarded[\s\S]*drop[\s\S]*chain inbound[\s\S]*drop/,
    );
  });

  it('is not looked at whenever a pod starts or ends', async () => {
    const looks = async () =>
      (await world.agentHttp('/metrics'))
        .split('\n')
        .filter(line => /^nauti_kube_reconcile_duration_seconds_count.*"node-device"/.test(line))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    const begin = performance.now();
    const before = await until(looks, { what: 'the count of looks', timeout: 60_000 });
    for (let i = 0; i < 8; i++) {
      const pod = await world.runSandbox(await world.createPod(`brief-${i}`, allocation(100 + i)));
      await world.stopSandbox(pod);
      await world.deletePod(pod.name);
    }
    const after = await looks();
    // It is looked at every 2 s in any case, and where the switch tells of it.
    expect(after - before).to.be.at.most((performance.now() - begin) / 2_000 + 3);
  });

  it("follows the MTU of the tunnels' device, and so do the NICs of pods", async () => {
    for (const mtu of [1_400, 1_500]) {
      await world.node.run('ip', 'link', 'set', 'dev', 'eth0', 'mtu', String(mtu));
      await until(
        async () => {
          const inPod = await world.inPod({ netns: namespaces.far });
          const links = [...(await observe()).links, ...inPod.links];
          const ends = links.filter(
            ({ name }) => name === 'ovn0' || name === 'eth-ovn' || name.startsWith('nauti'),
          );
          return ends.length === 3 && ends.every(link => link.mtu === mtu - 58);
        },
        {
          what: `NICs of ${mtu - 58}`,
          timeout: 60_000,
          interval: 50,
          detail: () => JSON.stringify(world.log.slice(-5)),
        },
      );
    }
  });

  it('lets the node, and a pod without second NIC, reach other clusters, under its own address', async () => {
    await answers('10.113.0.9', undefined, '10.114.0.5', 80);
    await answers('10.113.0.9', 'plain', '10.114.0.5', 80);
    // As kube-proxy does it: the address of a service is translated on the way.
    await world.node.run(
      ...['nft', 'add table ip proxy; add chain ip proxy pre { type nat hook prerouting priority dstnat; };'],
    );
    await world.node.run('nft', 'add rule ip proxy pre ip daddr 10.96.7.7 tcp dport 80 dnat to 10.114.0.5');
    await answers('10.113.0.9', 'plain', '10.96.7.7', 80);
    await world.node.run('nft', 'delete', 'table', 'ip', 'proxy');
  });

  it('lets no pod of another cluster reach the kubelet, a pod, or a port of the node', async () => {
    // Without the rules they would: the node listens, and forwards.
    await answers('10.113.0.9', undefined, '10.113.0.9', 10_250);
    await answers('10.244.99.1', undefined, '10.244.99.2', 8080);
    const dropped = async (chain: string) => {
      const text = await world.node.run('nft', 'list', 'chain', 'inet', 'nauti', chain);
      return Number(/counter packets (\d+) bytes \d+ drop/.exec(text)?.[1]);
    };
    const before = { inbound: await dropped('inbound'), forwarded: await dropped('forwarded') };
    expect(await ask('far', '10.113.0.9', 10_250)).to.equal('timed out');
    expect(await dropped('inbound')).to.be.greaterThan(before.inbound);
    expect(await ask('far', '10.244.99.2', 8080)).to.equal('timed out');
    expect(await dropped('forwarded')).to.be.greaterThan(before.forwarded);
    const linkLocal = await world.node.run('sh', '-c', 'ip -6 -o address show dev ovn0 scope link');
    const [, address = ''] = /inet6 (fe80[^/]+)/.exec(linkLocal) ?? [];
    for (const target of [`[fd00:10:113::9]`, `[${address}%25eth-ovn]`]) {
      const url = `http://${target}:10250/`;
      const attempt = inNamespace('far', 'sh', '-c', `curl -gsm 1 '${url}'; echo "ended with $?"`);
      expect(await attempt, url).to.contain('ended with 28');
    }
    // It can be pinged.
    await inNamespace('far', 'ping', '-c1', '-W2', '10.113.0.9');
    await inNamespace('far', 'ping', '-c1', '-W2', 'fd00:10:113::9');
  });

  const repairs = async () =>
    (await world.agentHttp('/metrics'))
      .split('\n')
      .filter(line => line.startsWith('nauti_nri_node_device_repairs_total{'))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  const own = ({ links, routes, takesRouters }: ObservedNamespace) => [
    links.filter(({ name }) => name === 'ovn0').map(({ index: _, ...rest }) => rest),
    routes.filter(route => route.device === 'ovn0'),
    takesRouters,
  ];

  const losses: readonly (readonly [string, string])[] = [
    ['address, route and MTU', 'ip address del 10.113.0.9/16 dev ovn0; ip link set ovn0 mtu 1500'],
    ['its deafness to routers', 'echo 1 > /proc/sys/net/ipv6/conf/ovn0/accept_ra'],
    [
      'everything, as a network manager may',
      'ip address flush dev ovn0; ip link set ovn0 down; nft flush ruleset',
    ],
    ['its device', 'ip link del ovn0'],
  ];
  for (const [what, loss] of losses) {
    it(`comes back when somebody takes away ${what}`, async () => {
      const [before, listed, count] = [await observe(), await rules(), await repairs()];
      const told = world.log.length;
      await world.node.run('sh', '-euc', loss);
      await until(async () => (await repairs()) > count && (await ready()) === 1, {
        what: 'a repair',
        timeout: 60_000,
        interval: 50,
      });
      expect(own(await observe())).to.deep.equal(own(before));
      expect(await rules()).to.equal(listed);
      expect(world.log.slice(told).filter(line => JSON.stringify(line).includes('TypeError'))).to.deep.equal(
        [],
      );
      await answers('10.113.0.9', 'plain', '10.114.0.5', 80);
    });
  }

  it('costs ever less where somebody takes its addresses away again and again', async () => {
    const repairs = () => world.metric('nauti_nri_node_device_repairs_total{kind="device"}');
    const spoil = 'while :; do ip address flush dev ovn0; sleep 0.01; done';
    const before = await repairs();
    // It ends by its time, with 124.
    await world.node.run('sh', '-c', `timeout 6 sh -c '${spoil}' || :`);
    expect((await repairs()) - before).to.be.within(1, 20);
    await isReady();
  });

  it('is guarded again by an agent that starts, where somebody took away the rule without which the kubelet is reached', async () => {
    const listed = await rules();
    const handle = /drop # handle (\d+)/.exec(
      await world.node.run('nft', '--handle', 'list', 'chain', 'inet', 'nauti', 'inbound'),
    )?.[1];
    await world.node.end('agent', 'SIGTERM');
    await world.node.run('nft', 'delete', 'rule', 'inet', 'nauti', 'inbound', 'handle', handle ?? '');
    await answers('10.113.0.1', 'far', '10.113.0.9', 10_250);
    await world.startAgent();
    await until(async () => (await rules()) === listed, { what: 'the rule', timeout: 60_000, interval: 50 });
    expect(await ask('far', '10.113.0.9', 10_250)).to.equal('timed out');
  });

  it('counts in its metrics what was dropped', async () => {
    await until(
      async () => {
        for (const address of ['10.113.0.9', '10.244.99.2']) await ask('far', address, 8080);
        const counted = ['inbound', 'forwarded'].map(chain =>
          world.metric(`nauti_nri_node_device_dropped_packets_total{chain="${chain}"}`),
        );
        return (await Promise.all(counted)).every(packets => packets > 0);
      },
      { what: 'the metrics', timeout: 60_000 },
    );
  });

  it('comes back with its port, and with a switch that was killed', async () => {
    await world.node.vsctl('--no-wait', 'del-port', 'ovn0');
    await until(async () => (await world.ports()).has('ovn0') && (await ready()) === 1, {
      what: 'the port',
      timeout: 60_000,
    });
    await world.node.vsctl('--no-wait', 'set', 'Interface', 'ovn0', 'external_ids:iface-id=other');
    await until(async () => (await world.ports()).get('ovn0')?.['iface-id'] === 'node-node1', {
      what: 'the iface-id',
      timeout: 60_000,
    });
    await world.node.end('ovs-vswitchd');
    await world.node.startVswitchd();
    await until(async () => (await ask('plain', '10.114.0.5', 80)) === '10.113.0.9', {
      what: 'the way to another cluster',
      timeout: 60_000,
      detail: async () => `${JSON.stringify(await device())} ${JSON.stringify(world.log.slice(-8))}`,
    });
  });

  it('is not touched by an agent that starts', async () => {
    await isReady();
    const before = await device();
    const pings = inNamespace('far', 'ping', '-i', '0.05', '-c', '60', '-W1', '10.113.0.9');
    await world.node.end('agent', 'SIGTERM');
    const since = world.log.length;
    await world.startAgent();
    await isReady();
    expect(await pings).to.contain(' 60 received');
    expect(await device()).to.deep.equal(before);
    // The rules are written anew; neither for a moment did routes have an MTU that was guessed.
    const changes = world.log.slice(since).filter(({ msg }) => msg === 'device of the node was changed');
    expect(changes.map(({ kind }) => kind).filter(kind => kind !== 'firewall')).to.deep.equal([]);
  });

  it('follows another allocation, as soon as no network of the node is in the block of all clusters', async () => {
    await world.node.run('ip', 'address', 'add', '10.120.1.1/24', 'dev', 'eth0');
    const { 'nauti.io/pod_nic_type': _, ...given } = allocation(10);
    await annotate(given);
    await refusedFor('10.120.1.1/24');
    await world.node.run('ip', 'address', 'del', '10.120.1.1/24', 'dev', 'eth0');
    await until(async () => (await device())?.addresses.join() === '10.113.0.10/16,fd00:10:113::a/64', {
      what: 'the new address',
      timeout: 60_000,
      detail: async () => JSON.stringify([await device(), world.log.slice(-5)]),
    });
    await isReady();
    await answers('10.113.0.10', 'plain', '10.114.0.5', 80);
    expect((await device())?.mac).to.equal('0a:58:0a:71:00:0a');
  });

  it('is not passed by: the node takes nothing from the ends of second NICs on it', async () => {
    const [link] = (await observe()).links.filter(({ name }) => name.startsWith('nauti'));
    expect(link).to.include({ takesArp: false });
    // A pod that knows the MAC of its own NIC's other end need not ask for it.
    await inNamespace(
      'far',
      'ip',
      'neigh',
      'replace',
      '10.113.0.10',
      'lladdr',
      link?.mac ?? '',
      'dev',
      'eth-ovn',
    );
    expect(await ask('far', '10.113.0.10', 10_250)).to.equal('timed out');
    await inNamespace('far', 'ip', 'neigh', 'del', '10.113.0.10', 'dev', 'eth-ovn');
    await answers('10.113.0.10', 'plain', '10.114.0.5', 80);
  });

  it('goes, and all rules but those that keep the node from second NICs, where the node is to have none', async () => {
    await world.node.end('agent', 'SIGTERM');
    await world.startAgent('--cluster-set-ip=false');
    await until(async () => (await device()) === undefined && !(await rules()).includes('ovn0'), {
      what: 'everything being gone',
      timeout: 60_000,
    });
    expect(await rules()).to.contain('iifname "nauti*" drop');
    expect([...(await world.ports()).keys()]).to.not.include('ovn0');
  });

  it('leaves a device of the name alone that is not ours', async () => {
    await world.node.end('agent', 'SIGTERM');
    const ovn0 = ['--', 'set', 'interface', 'ovn0', 'type=internal', 'external_ids:vendor=kube-ovn'];
    await world.node.vsctl('add-port', 'br-int', 'ovn0', ...ovn0);
    await world.node.run('ip', 'address', 'add', '100.64.0.2/16', 'dev', 'ovn0');
    const before = await device();
    await world.startAgent();
    await refusedFor('no port of that name');
    expect(await device()).to.deep.equal(before);
    expect(await rules()).to.not.contain('ovn0');
  });
});
