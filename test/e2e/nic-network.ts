import { run } from '../../lab/command.ts';
import { runInNode } from '../../lab/node.ts';
import { runningTopology } from '../../lab/registry.ts';
import { nodeNamed } from '../../lab/topology.ts';
import { type Cluster, kubectl, root, tryKubectl } from './kubectl.ts';

/** Switches the secondary network on in a cluster, unless it is, and waits until each node's agent is ready. */
export async function ensureSecondaryNetwork(cluster: Cluster): Promise<void> {
  const { code } = await tryKubectl(cluster, ['get', 'daemonset', 'nauti-nri', '-n', 'nauti-system']);
  if (code !== 0) {
    await run(`${root}.lab/bin/helm`, [
      ...['--kubeconfig', `${root}.lab/${cluster}.kubeconfig`, '--namespace', 'nauti-system'],
      ...['upgrade', 'nauti-agent', `${root}helm/nauti-agent`, '--reset-then-reuse-values'],
      // The lab's kernel has no module openvswitch; eth1 is there for the tunnels.
      ...['--set', 'secondaryNetwork.enabled=true,ovn.datapath=netdev,ovn.underlay=eth1'],
      ...['--set', String.raw`tunnel.cidr=10.113.0.0/16\,fd00:10:113::/64`],
      ...['--set', String.raw`tunnel.globalcidr=10.112.0.0/12\,fd00:10:110::/44`],
    ]);
  }
  await rolledOut(cluster);
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
