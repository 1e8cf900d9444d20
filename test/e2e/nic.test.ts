import { expect } from 'chai';
import { runInNode } from '../../lab/lab.ts';
import { crowd } from './crowd.ts';
import { eventually } from './eventually.ts';
import { apply, kubectl, startKubectl, tryKubectl } from './kubectl.ts';
import { dropNamespace, freshNamespace } from './namespaces.ts';
import { allocationOf, holdings, more, nicDevices, rolledOut, settled } from './nic-network.ts';
import { startPodPing } from './pod-ping.ts';

const cluster = 'cluster1';
const namespace = 'e2e-nic';
const nodes = ['cluster1-node1', 'cluster1-node2'] as const;

describe('the second NIC of pods', function () {
  this.timeout(240_000);
  let near: Awaited<ReturnType<typeof allocationOf>>;
  let far: Awaited<ReturnType<typeof allocationOf>>;

  before(async () => {
    await rolledOut(cluster);
    await freshNamespace(namespace, [cluster]);
    const pods = [pod('a', nodes[0], ['NET_ADMIN']), pod('b', nodes[1], ['NET_RAW'])].join('---\n');
    await apply(cluster, pods);
    await kubectl(cluster, [
      'wait',
      '-n',
      namespace,
      'pod/a',
      'pod/b',
      '--for=condition=Ready',
      '--timeout=100s',
    ]);
    for (const name of ['a', 'b']) {
      await eventually(
        `${name} having eth-ovn`,
        60_000,
        () => inPod(name, 'ip', 'link', 'show', 'eth-ovn'),
        ({ code }) => code === 0,
      );
    }
    near = await allocationOf(cluster, namespace, 'a');
    far = await allocationOf(cluster, namespace, 'b');
  });
  after(() => dropNamespace(namespace, [cluster]));

  const inPod = (name: string, ...command: string[]) =>
    tryKubectl(cluster, ['exec', '-n', namespace, name, '--', ...command]);

  async function pings(address: string, ...flags: string[]): Promise<boolean> {
    return (
      (await inPod('a', 'ping', '-c', '2', '-i', '0.2', '-w', '3', '-I', 'eth-ovn', ...flags, address))
        .code === 0
    );
  }

  const reaches = (address: string, ...flags: string[]) =>
    eventually(
      `a reaching ${address} by ping ${flags.join(' ')}`,
      60_000,
      () => pings(address, ...flags),
      reached => reached,
    );

  it('has what the annotations say', async () => {
    for (const [name, { addresses, mac }] of Object.entries({ a: near, b: far })) {
      const { stdout } = await inPod(name, 'ip', 'address', 'show', 'dev', 'eth-ovn');
      expect(addresses).to.have.length(2);
      for (const address of addresses) expect(stdout).to.contain(` ${address}/`);
      expect(stdout).to.contain(`link/ether ${mac}`);
    }
  });

  it('believes no router advertisements, in pods and on nodes', async () => {
    const setting = (device: string) => `/proc/sys/net/ipv6/conf/${device}/accept_ra`;
    for (const name of ['a', 'b'])
      expect((await inPod(name, 'cat', setting('eth-ovn'))).stdout).to.equal('0\n');
    for (const node of nodes) expect(await runInNode(node, ['cat', setting('ovn0')])).to.equal('0\n');
  });

  it('reaches pods of another node by IPv4 and IPv6', async () => {
    for (const address of far.addresses) await reaches(address);
  });

  it('carries packets up to its MTU in one piece, and says so of larger ones', async () => {
    const [v4 = '', v6 = ''] = far.addresses;
    // 28 bytes of headers in IPv4, 48 in IPv6; the underlay has 1500, of which Geneve takes 58.
    for (const size of [1400, 1442]) await reaches(v4, '-M', 'do', '-s', String(size - 28));
    await reaches(v6, '-M', 'do', '-s', String(1442 - 48));
    for (const size of [1443 - 28, 8_900]) {
      const { code, stdout, stderr } = await inPod(
        'a',
        'ping',
        '-c',
        '1',
        '-w',
        '1',
        '-M',
        'do',
        '-s',
        String(size),
        v4,
      );
      expect(code).not.to.equal(0);
      expect(stdout + stderr).to.match(/message too long/i);
    }
    await reaches(v4, '-M', 'dont', '-s', '8900');
  });

  it('carries TCP by both families', async () => {
    const server = startKubectl(cluster, ['exec', '-n', namespace, 'b', '--', 'iperf3', '--server']);
    try {
      for (const address of far.addresses) {
        await eventually(
          `25 MB to ${address}`,
          60_000,
          () => inPod('a', 'iperf3', '--client', address, '--bytes', '25M', '--connect-timeout', '2000'),
          ({ code }) => code === 0,
        );
      }
    } finally {
      server.kill();
      await inPod('b', 'pkill', 'iperf3');
    }
  });

  it('lets no pod speak for an address that is not its own', async () => {
    const [v4 = ''] = far.addresses;
    const spoofed = '10.113.250.250';
    await inPod('a', 'ip', 'address', 'add', `${spoofed}/32`, 'dev', 'eth-ovn');
    try {
      // What is not answered has been heard or not: the other end says.
      const listen = `setsid tcpdump -l -ni eth-ovn 'icmp and dst ${v4}' > /tmp/heard 2>&1 < /dev/null &`;
      await inPod('b', 'sh', '-c', listen);
      const heard = (what: string) =>
        eventually(
          `${what} in what the other end hears`,
          60_000,
          () => inPod('b', 'cat', '/tmp/heard'),
          ({ stdout }) => stdout.includes(what),
        );
      await heard('listening on');
      await inPod('a', 'ping', '-c', '10', '-i', '0.1', '-w', '2', '-I', spoofed, v4);
      // What comes after them has overtaken none of them.
      await reaches(v4);
      const { stdout } = (await heard(`${near.addresses[0]} > ${v4}`)).answer;
      expect(stdout).not.to.contain(spoofed);
    } finally {
      await inPod('b', 'pkill', '-x', 'tcpdump');
      await inPod('a', 'ip', 'address', 'del', `${spoofed}/32`, 'dev', 'eth-ovn');
    }
  });

  it('lets a node write its own chassis, and nothing of others or of the northbound database', async () => {
    /** Runs a command of OVN on the first node, with that node's own certificate. */
    const pods = ['-n', 'nauti-system', '-l', 'app.kubernetes.io/component=ovs'];
    const pod = (
      await kubectl(cluster, [
        'get',
        'pods',
        ...pods,
        `--field-selector=spec.nodeName=${nodes[0]}`,
        '-o',
        'name',
      ])
    ).trim();
    const asNode = (command: string) =>
      tryKubectl(cluster, ['exec', '-n', 'nauti-system', pod, '-c', 'chassis', '--', 'sh', '-c', command]);
    const tls = '-p $PKI/tls.key -c $PKI/tls.crt -C $PKI/ca.crt';
    const sbctl = `ovn-sbctl --timeout=5 --no-leader-only --db="$SB" ${tls}`;
    expect((await asNode(`${sbctl} show`)).stdout).to.contain(nodes[1]);
    const refused = /RBAC rules for client .*cluster1-node1.* prohibit/;
    expect((await asNode(`${sbctl} chassis-del ${nodes[1]}`)).stderr).to.match(refused);
    const northbound = `ovn-nbctl --timeout=5 --db="ssl:[$NAUTI_OVN_NB_SERVICE_HOST]:6641" ${tls} show`;
    expect((await asNode(northbound)).stderr).to.contain('database connection failed');
    const plain = 'ovn-sbctl --timeout=5 --db="tcp:[$NAUTI_OVN_SB_SERVICE_HOST]:6642" show';
    expect((await asNode(plain)).stderr).to.contain('database connection failed');
  });

  it('keeps all NICs while all agents are replaced, and loses no more than single pings of 10 ms', async () => {
    const [v4 = ''] = far.addresses;
    await settled(cluster);
    const devices = async () => (await Promise.all(nodes.map(nicDevices))).flat();
    const before = await devices();
    await reaches(v4);
    const ping = await startPodPing({ cluster, namespace, name: 'a' }, v4);
    await kubectl(cluster, ['rollout', 'restart', 'daemonset/nauti-nri', '-n', 'nauti-system']);
    await rolledOut(cluster);
    const answered = await ping.answered();
    await eventually('more answers', 60_000, ping.answered, now => now > answered + 50);
    const { answered: inAll, lost, row } = await ping.end();
    expect(inAll).to.be.greaterThan(200);
    expect(await devices()).to.include.members(before);
    // OVS forwards in user space here, and drops a single one when other things happen on its node: 1 of 5,500 over four
    // such restarts, none of 5,000 without; two in a row may be where the node has a fraction of a core. A NIC or port that
    // is made anew costs dozens.
    expect(row, `lost: ${lost.join()}`).to.be.at.most(4);
  });

  it('leaves nothing behind when pods come and go', async () => {
    await settled(cluster);
    const before = await holdings(cluster, nodes);
    const already = (await Promise.all(nodes.map(nicDevices))).flat().length;
    await apply(cluster, crowd(namespace));
    await kubectl(cluster, ['scale', '-n', namespace, 'deployment/crowd', '--replicas=5']);
    await kubectl(cluster, ['rollout', 'status', '-n', namespace, 'deployment/crowd', '--timeout=120s']);
    await eventually(
      'five NICs more',
      60_000,
      async () => (await Promise.all(nodes.map(nicDevices))).flat().length,
      count => count === already + 5,
    );
    await kubectl(cluster, ['scale', '-n', namespace, 'deployment/crowd', '--replicas=0']);
    await eventually(
      'no device, namespace, port or address being there that was not before',
      60_000,
      async () => more(await holdings(cluster, nodes), before),
      found => found.length === 0,
    );
  });
});

function pod(name: string, node: string, capabilities: readonly string[]): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 0
  containers:
    - name: toolbox
      image: nauti-lab/toolbox:1
      imagePullPolicy: IfNotPresent
      command: [sleep, infinity]
      securityContext: { capabilities: { add: [${capabilities.join(', ')}] } }
`;
}
