import { runInNode } from '../../lab/node.ts';
import { runningTopology } from '../../lab/registry.ts';
import { nodeNamed } from '../../lab/topology.ts';
import { eventually } from './eventually.ts';
import { type Cluster, kubectl, readJson } from './kubectl.ts';

/** Waits until all agents are there, and ready. */
export async function rolledOut(cluster: Cluster): Promise<void> {
  const words = ['rollout', 'status', 'daemonset/nauti-nri', '-n', 'nauti-system', '--timeout=100s'];
  await kubectl(cluster, words);
}

interface PodFields {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Waits until all pods of a cluster are ready and none is ending, so that none comes or goes by itself from now on. */
export async function settled(cluster: Cluster): Promise<void> {
  await eventually(
    `all pods of ${cluster} being ready, and none ending`,
    120_000,
    async () => {
      const { items } = (await readJson(cluster, ['pods', '-A'])) as { items: PodFields[] };
      return items.filter(pod => !isSettled(pod)).map(({ metadata }) => metadata.name);
    },
    restless => restless.length === 0,
  );
}

function isSettled({ metadata, status: { phase, conditions = [] } }: PodFields): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  if (phase === 'Succeeded' || phase === 'Failed') return true;
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
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
