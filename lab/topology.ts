/** The lab as data: its clusters, nodes, addresses and networks. Pure. */

export interface Topology {
  readonly podNetworks: PodNetworks;
  readonly clusters: readonly ClusterSpec[];
}

/**
 * `routed`: each cluster has pod CIDRs of its own and routes to all others, one flat network (`addresses: pod`).
 * `overlapping`: all clusters use the same pod CIDR, pods reach beyond their cluster only by their node's address, and
 * cluster2 is behind a NAT.
 */
export type PodNetworks = (typeof podNetworkModes)[number];
export const podNetworkModes = ['routed', 'overlapping'] as const;

export interface ClusterSpec {
  readonly name: string;
  /** Where its API server listens. */
  readonly address: string;
  readonly serviceCidr: string;
  /** Address of the Service kube-system/kube-dns. */
  readonly dnsAddress: string;
  readonly podCidr: string;
  readonly nodes: readonly NodeSpec[];
  /**
   * The address that other clusters see it come from: a router that gives each connection a port of its own
   * (address- and port-dependent mapping, RFC 4787), and lets none in. None: it is reached by its own addresses.
   */
  readonly nat?: string;
}

export interface NodeSpec {
  /** Name of the Node, and its host name. */
  readonly name: string;
  readonly cluster: string;
  /** On eth0. */
  readonly address: string;
  /** On eth1, the second NIC. */
  readonly secondAddress: string;
  readonly podCidr: string;
  readonly zone: string;
}

/** The network of the nodes' eth0, control planes included. */
export const nodeNetwork = {
  prefixLength: 24,
  /** This machine, so that people and tests reach the API servers and node ports. */
  machine: '198.51.100.1',
  /** The nodes' default gateway. Nothing is forwarded there: the lab has no way out. */
  gateway: '198.51.100.254',
} as const;

/** The network of the nodes' eth1: an underlay of their own for OVN. */
export const secondNetwork = { prefixLength: 24 } as const;

const serviceCidr = '10.96.0.0/16';
const dnsAddress = '10.96.0.10';

const layout = [
  { name: 'hub', nodes: 1 },
  { name: 'cluster1', nodes: 2 },
  { name: 'cluster2', nodes: 1, behindNat: true },
  { name: 'cluster3', nodes: 1 },
] as const satisfies readonly ClusterLayout[];

interface ClusterLayout {
  readonly name: string;
  readonly nodes: number;
  readonly behindNat?: true;
}

export const clusterNames: readonly string[] = layout.map(cluster => cluster.name);
/** Those that come up unless others are asked for. */
export const usualClusters: readonly string[] = ['hub', 'cluster1', 'cluster2'];

/**
 * The lab's topology, or the part of it that holds the given clusters. A cluster's addresses do not depend on which
 * others are there.
 */
export function describeTopology(
  podNetworks: PodNetworks,
  names: readonly string[] = usualClusters,
): Topology {
  const unknown = names.find(name => !clusterNames.includes(name));
  if (unknown !== undefined) {
    throw new Error(
      `Cannot use a cluster as its name must be one of ${clusterNames.join(', ')}: current value is ${JSON.stringify(unknown)}`,
    );
  }
  const clusters = layout.map((cluster, index) => describeCluster(podNetworks, cluster, index));
  return { podNetworks, clusters: clusters.filter(cluster => names.includes(cluster.name)) };
}

function describeCluster(
  podNetworks: PodNetworks,
  { name, nodes, behindNat }: ClusterLayout,
  index: number,
): ClusterSpec {
  const podNetwork = podNetworks === 'routed' ? `10.${240 + index}` : '10.244';
  const host = (index + 1) * 10;
  return {
    name,
    address: `198.51.100.${host}`,
    serviceCidr,
    dnsAddress,
    podCidr: `${podNetwork}.0.0/16`,
    nodes: Array.from({ length: nodes }, (_, position) => ({
      name: `${name}-node${position + 1}`,
      cluster: name,
      address: `198.51.100.${host + position + 1}`,
      secondAddress: `203.0.113.${host + position + 1}`,
      podCidr: `${podNetwork}.${position}.0/24`,
      zone: `${name}-${'abcdefghi'[position]}`,
    })),
    ...(behindNat && podNetworks === 'overlapping' && { nat: `198.51.100.${host + 9}` }),
  };
}

export function allNodes({ clusters }: Topology): NodeSpec[] {
  return clusters.flatMap(cluster => cluster.nodes);
}

/** Addresses of a cluster's API server and nodes. */
export function addressesOf({ address, nodes }: ClusterSpec): string[] {
  return [address, ...nodes.map(node => node.address)];
}

/** @throws Error that lists the names that there are. */
export function clusterNamed(topology: Topology, name: string): ClusterSpec {
  return named(topology.clusters, 'cluster', name);
}

/** @throws Error that lists the names that there are. */
export function nodeNamed(topology: Topology, name: string): NodeSpec {
  return named(allNodes(topology), 'node', name);
}

function named<T extends { readonly name: string }>(all: readonly T[], kind: string, name: string): T {
  const found = all.find(candidate => candidate.name === name);
  if (found !== undefined) return found;
  throw new Error(
    `Cannot find the ${kind} as its name must be one of ${all.map(one => one.name).join(', ')}: current value is ${JSON.stringify(name)}`,
  );
}
