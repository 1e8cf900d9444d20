/** Installs Nauti into clusters of the lab as its users would: by its charts and by `kubectl nauti`. */
import { join } from 'node:path';
import { componentNamespace, shareNamespace } from '../api/names.ts';
import { runningTopology } from '../lab/registry.ts';
import { checkout } from '../lab/tools.ts';
import { clusterNamed } from '../lab/topology.ts';
import { until } from '../lab/until.ts';
import type { Cluster } from './cluster.ts';
import type { NautiImage } from './image.ts';
import { kubectlNauti } from './kubectl-nauti.ts';

/** kube-dns's + 1. */
export const crossdnsAddress = '10.96.0.11';
/** Of all clusters together on the secondary network, in both families. */
export const globalCidr = '10.112.0.0/12,fd00:10:110::/44';
/** The lab's kernel has no module openvswitch, and eth1 is there for the network between the nodes. */
export const labNetwork = { ovn: { datapath: 'netdev', underlay: 'eth1' } } as const;

export type OnProgress = (ready: number, wanted: number) => void;

/** Installs the hub's chart, or upgrades it, and waits until the hub works. */
export async function installHub(
  hub: Cluster,
  { url, image, onProgress }: { url: string; image: NautiImage; onProgress?: OnProgress },
): Promise<void> {
  const [node] = clusterNamed(await runningTopology(), hub.name).nodes;
  await mendRelease(hub, 'nauti');
  await installChart(hub, 'nauti', {
    ...imageValues(image),
    hub: { hubURL: url },
    tunnel: { cidr: globalCidr, endpoint: node?.address ?? '' },
  });
  await hub.rolledOut(componentNamespace, ['nauti-hub', 'nauti-hub-octopus'], onProgress);
  await until(async () => (await hub.tryKubectl(['get', 'peer', 'hub', '-n', shareNamespace])).code === 0, {
    what: 'the hub making its Peer',
    timeout: 180_000,
    signal: hub.signal,
  });
}

export interface JoinOptions {
  readonly hub: Cluster;
  /** Of the hub's API server. */
  readonly url: string;
  readonly image: NautiImage;
  /** Id of the cluster; its name where not given. */
  readonly id?: string;
  readonly onProgress?: OnProgress;
}

/** All that the chart of a member runs. */
export const memberWorkloads: readonly string[] = [
  ...['nauti-syncer', 'nauti-crossdns', 'nauti-ovn-pki', 'nauti-ovn-controller', 'nauti-octopus'],
  ...['statefulset/nauti-ovn-central', 'daemonset/nauti-ovs', 'daemonset/nauti-nri'],
];

/**
 * Makes a cluster a member, unless it is one, and waits until hub and cluster say so, and all nodes give their pods a
 * second NIC.
 */
export async function joinCluster(
  cluster: Cluster,
  { hub, url, image, id = cluster.name, onProgress }: JoinOptions,
): Promise<void> {
  await mendRelease(cluster, 'nauti-agent');
  const { nat } = clusterNamed(await runningTopology(), cluster.name);
  const isHub = cluster.name === hub.name;
  const isMember = (await hasIdentity(cluster)) && (await isKnown(hub, id));
  const token = isMember ? undefined : await createJoinToken(hub, id);
  await installChart(cluster, 'nauti-agent', {
    ...imageValues(image),
    ...labNetwork,
    cluster: { clusterID: id, hub: isHub, ispublic: nat === undefined && !isHub },
    hub: { hubURL: url, ...(token !== undefined && { bootstraptoken: token }) },
    crossdns: { clusterIP: crossdnsAddress },
  });
  await cluster.rolledOut(componentNamespace, memberWorkloads, onProgress);
  await until(() => isAlive(hub, id), {
    what: `${id} becoming a member of the hub`,
    timeout: 180_000,
    interval: 250,
    signal: cluster.signal,
  });
}

async function createJoinToken(hub: Cluster, id: string): Promise<string> {
  return (await kubectlNauti(hub, ['token', 'create', id, '--output', 'token'])).trim();
}

/** Lets the cluster's CoreDNS forward both zones to crossdns. */
export async function forwardClusterDns(cluster: Cluster): Promise<void> {
  const said = await kubectlNauti(cluster, ['dns', 'enable']);
  if (said.startsWith('nothing to change')) return;
  // CoreDNS would see it by itself, but only a minute later.
  await cluster.kubectl(['rollout', 'restart', 'deployment/coredns', '-n', 'kube-system']);
  await cluster.rolledOut('kube-system', ['coredns']);
}

function imageValues({ repository, tag, id }: NautiImage): object {
  return { image: { repository, tag }, podAnnotations: { 'nauti.io/image': id } };
}

/** Values go by standard input: a command line can be read by others of the machine. */
async function installChart(cluster: Cluster, chart: string, values: object): Promise<void> {
  await cluster.helm(
    [
      ...['upgrade', '--install', chart, join(checkout, 'helm', chart), '--namespace', componentNamespace],
      ...['--create-namespace', '--reset-then-reuse-values', '--values', '-'],
    ],
    JSON.stringify(values),
  );
}

/** Helm refuses to go on where it was interrupted. */
async function mendRelease(cluster: Cluster, chart: string): Promise<void> {
  const { code, stdout } = await cluster.tryHelm(['status', chart, '-n', componentNamespace, '-o', 'json']);
  if (code !== 0) return;
  const { info } = JSON.parse(stdout) as { info: { status: string } };
  if (info.status === 'pending-install' || info.status === 'uninstalling') {
    await cluster.helm(['uninstall', chart, '-n', componentNamespace, '--no-hooks']);
  } else if (info.status.startsWith('pending-')) {
    await cluster.helm(['rollback', chart, '-n', componentNamespace]);
  }
}

async function hasIdentity(cluster: Cluster): Promise<boolean> {
  const { stdout } = await cluster.tryKubectl([
    ...['get', 'secret', 'nauti-hub-identity', '-n', componentNamespace],
    ...['-o', 'jsonpath={.data.*}', '--ignore-not-found'],
  ]);
  return stdout !== '';
}

async function isKnown(hub: Cluster, id: string): Promise<boolean> {
  return (await hub.tryKubectl(['get', 'serviceaccount', `member-${id}`, '-n', shareNamespace])).code === 0;
}

async function isAlive(hub: Cluster, id: string): Promise<boolean> {
  const { stdout } = await hub.tryKubectl([
    ...['get', 'peer', id, '-n', shareNamespace, '--ignore-not-found'],
    ...['-o', 'jsonpath={.status.conditions[?(@.type=="Alive")].status}'],
  ]);
  return stdout === 'True';
}
