import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster as DemoCluster } from '../../demo/cluster.ts';
import { joinCluster } from '../../demo/install.ts';
import { Journal } from '../../demo/journal.ts';
import { serverUrl } from '../../lab/control-plane-plan.ts';
import { runInNode } from '../../lab/node.ts';
import { runningTopology } from '../../lab/registry.ts';
import { checkout } from '../../lab/tools.ts';
import { clusterNamed, nodeNamed } from '../../lab/topology.ts';
import { type Cluster, kubectl } from './kubectl.ts';

const release = ['-n', 'nauti-system'];
/** The lab's kernel has no module openvswitch; eth1 is there for the tunnels. Both families, which its hub does not give. */
const values = {
  secondaryNetwork: { enabled: true },
  ovn: { datapath: 'netdev', underlay: 'eth1' },
  tunnel: { cidr: '10.113.0.0/16,fd00:10:113::/64', globalcidr: '10.112.0.0/12,fd00:10:110::/44' },
};

/**
 * Switches the secondary network on in a cluster, unless it is, and waits until each node's agent is ready.
 *
 * @returns what makes the cluster a member without it again, where it was.
 */
export async function ensureSecondaryNetwork(name: 'cluster1' | 'cluster2'): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'nauti-nic-'));
  const journal = new Journal(join(directory, 'log'));
  const { signal } = new AbortController();
  const cluster = new DemoCluster(name, journal, signal);
  const end = async () => {
    await journal.close();
    await rm(directory, { recursive: true, force: true });
  };
  const { code } = await cluster.tryKubectl(['get', 'daemonset', 'nauti-nri', ...release]);
  if (code === 0) {
    await rolledOut(name);
    return end;
  }
  const given = JSON.parse(
    await cluster.helm(['get', 'values', 'nauti-agent', ...release, '-o', 'json']),
  ) as {
    readonly image: { readonly repository: string; readonly tag: string };
    readonly podAnnotations: Readonly<Record<string, string>>;
  };
  await cluster.helm(
    [
      ...['upgrade', 'nauti-agent', join(checkout, 'helm', 'nauti-agent'), ...release],
      ...['--reset-then-reuse-values', '--values', '-'],
    ],
    JSON.stringify(values),
  );
  await cluster.rolledOut('nauti-system', ['nauti-ovn-pki', 'nauti-ovn-controller']);
  for (const part of ['statefulset/nauti-ovn-central', 'daemonset/nauti-ovs'])
    await cluster.kubectl(['rollout', 'status', part, ...release, '--timeout=90s']);
  await rolledOut(name);
  return async () => {
    // What is on the nodes goes only with the whole chart.
    await cluster.helm(['uninstall', 'nauti-agent', ...release]);
    const hub = new DemoCluster('hub', journal, signal);
    const url = serverUrl(clusterNamed(await runningTopology(), 'hub'));
    const image = { ...given.image, id: given.podAnnotations['nauti.io/image'] ?? '', archive: '' };
    await joinCluster(cluster, { hub, url, image });
    await end();
  };
}

/** Waits until all agents are there, and ready. */
export async function rolledOut(cluster: Cluster): Promise<void> {
  const words = ['rollout', 'status', 'daemonset/nauti-nri', '-n', 'nauti-system', '--timeout=100s'];
  await kubectl(cluster, words);
}

/** Names of a node's devices that are ends of second NICs. */
export async function nicDevices(node: string): Promise<string[]> {
  const text = await runInNode(nodeNamed(await runningTopology(), node), ['ip', '-brief', 'link']);
  return (text.match(/^nauti[a-z2-7]{10}(?=@| )/gm) ?? []).sort();
}

/** A pod's second addresses and MAC, as its annotations say. */
export async function allocationOf(
  cluster: Cluster,
  namespace: string,
  pod: string,
): Promise<{ readonly addresses: readonly string[]; readonly mac: string }> {
  const text = await kubectl(cluster, [
    ...['get', 'pod', pod, '-n', namespace, '-o'],
    String.raw`jsonpath={.metadata.annotations.nauti\.io/ip_address} {.metadata.annotations.nauti\.io/mac_address}`,
  ]);
  const [addresses = '', mac = ''] = text.split(' ');
  return { addresses: addresses.split(','), mac };
}

/** What a cluster has because of its pods; what is more after they have gone than it was before is lost for ever. */
export interface Holdings {
  /** Of all nodes: devices that are ends of NICs, first and second. */
  readonly devices: readonly string[];
  readonly namespaces: readonly string[];
  /** Ports of Open vSwitch, without those of tunnels and of nodes. */
  readonly switchPorts: readonly string[];
  /** Of the northbound database, each with its addresses. */
  readonly logicalPorts: readonly string[];
  /** Of the southbound one. */
  readonly bindings: readonly string[];
}

const lines = (text: string) =>
  text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .sort();

/** @param nodes all nodes of the cluster. */
export async function holdings(cluster: Cluster, nodes: readonly string[]): Promise<Holdings> {
  const topology = await runningTopology();
  const onNodes = async (command: string) => {
    const texts = await Promise.all(
      nodes.map(async node =>
        lines(await runInNode(nodeNamed(topology, node), ['sh', '-c', command])).map(
          line => `${node} ${line}`,
        ),
      ),
    );
    return texts.flat();
  };
  const inPod = (pod: string, container: string, ...command: string[]) =>
    kubectl(cluster, ['exec', '-n', 'nauti-system', pod, '-c', container, '--', ...command]);
  const central = (kind: 'nb' | 'sb', ...command: string[]) =>
    inPod(
      'nauti-ovn-central-0',
      kind,
      `ovn-${kind}ctl`,
      '--no-leader-only',
      `--db=unix:/run/ovn/ovn${kind}_db.sock`,
      ...command,
    );
  const pods = lines(
    await kubectl(cluster, [
      'get',
      'pods',
      '-n',
      'nauti-system',
      '-l',
      'app.kubernetes.io/component=ovs',
      '-o',
      'name',
    ]),
  );
  const ports = await Promise.all(
    pods.map(pod =>
      inPod(
        pod,
        'switch-database',
        'ovs-vsctl',
        '--db=unix:/run/openvswitch/db.sock',
        'list-ports',
        'br-int',
      ),
    ),
  );
  const list = ['--format=csv', '--no-headings'];
  return {
    devices: await onNodes('ip -o link show type veth | cut -d: -f2 | cut -d@ -f1'),
    namespaces: await onNodes('ls /run/netns'),
    switchPorts: ports.flatMap(lines).filter(port => port.startsWith('nauti')),
    logicalPorts: lines(
      await central('nb', ...list, '--columns=name,addresses', 'list', 'Logical_Switch_Port'),
    ),
    bindings: lines(await central('sb', ...list, '--columns=logical_port', 'list', 'Port_Binding')),
  };
}

/** What there is now and was not before; what belonged to pods that ended meanwhile may be gone. */
export function more(found: Holdings, before: Holdings): readonly string[] {
  return Object.entries(before).flatMap(([what, had]) => {
    const known = new Set<string>(had);
    return found[what as keyof Holdings].filter(one => !known.has(one)).map(one => `${what}: ${one}`);
  });
}
