/**
 * The lab's network as data: namespaces, devices, addresses, routes and rules that a topology asks for. Pure.
 *
 * One namespace, the fabric, holds two bridges. Each node, and each control plane, is a namespace with eth0 on the
 * first; each node has eth1 on the second. The machine itself has one device, a port of the first bridge.
 */
import {
  addressesOf,
  allNodes,
  type ClusterSpec,
  type NodeSpec,
  nodeNetwork,
  secondNetwork,
  type Topology,
} from './topology.ts';

/** All names of the lab's network namespaces start with this. */
export const namespacePrefix = 'nauti-';
export const fabric = `${namespacePrefix}fabric`;
/** The lab's device in the machine's own network namespace. */
export const machineDevice = 'nauti0';

export interface NamespacePlan {
  /** None stands for the machine's own namespace. */
  readonly name?: string;
  /** Devices that must exist, in the order in which they are made. */
  readonly links: readonly LinkPlan[];
  /** Commands for `ip -batch` that may be run any number of times. */
  readonly settings: readonly string[];
  /** sysctl settings, of this network namespace only. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** A file for `nft -f`. */
  readonly rules?: string;
  /** Devices whose checksum and segmentation offloads are turned off: OVS in user space needs true packets. */
  readonly plainDevices: readonly string[];
}

export interface LinkPlan {
  readonly name: string;
  /** Rest of `ip link add NAME`, run in the plan's namespace. */
  readonly add: string;
}

export function controlPlaneNamespace({ name }: Pick<ClusterSpec, 'name'>): string {
  return `${namespacePrefix}${name}`;
}

export function nodeNamespace({ name }: Pick<NodeSpec, 'name'>): string {
  return `${namespacePrefix}${name}`;
}

export function natNamespace({ name }: Pick<ClusterSpec, 'name'>): string {
  return `${namespacePrefix}nat-${name}`;
}

export function planNetwork(topology: Topology): NamespacePlan[] {
  const nodes = allNodes(topology);
  return [
    machine,
    planFabric(topology.clusters, nodes),
    ...topology.clusters.map(cluster => planControlPlane(topology, cluster)),
    ...nodes.map(node => planNode(topology, node)),
    ...topology.clusters.flatMap(cluster =>
      cluster.nat === undefined ? [] : [planNat(cluster, cluster.nat)],
    ),
  ];
}

const machine: NamespacePlan = {
  links: [{ name: machineDevice, add: `type veth peer name machine netns ${fabric}` }],
  settings: [
    `addr replace ${nodeNetwork.machine}/${nodeNetwork.prefixLength} dev ${machineDevice}`,
    `link set ${machineDevice} up`,
  ],
  sysctls: {},
  plainDevices: [],
};

function planFabric(clusters: readonly ClusterSpec[], nodes: readonly NodeSpec[]): NamespacePlan {
  const ports = [
    ...clusters.map(cluster => ({
      bridge: 'nodes',
      port: portName('n', cluster.address),
      peer: 'eth0',
      netns: controlPlaneNamespace(cluster),
    })),
    ...nodes.map(node => ({
      bridge: 'nodes',
      port: portName('n', node.address),
      peer: 'eth0',
      netns: nodeNamespace(node),
    })),
    ...clusters.flatMap(cluster =>
      cluster.nat === undefined
        ? []
        : [{ bridge: 'nodes', port: portName('n', cluster.nat), peer: 'eth0', netns: natNamespace(cluster) }],
    ),
    ...nodes.map(node => ({
      bridge: 'second',
      port: portName('s', node.secondAddress),
      peer: 'eth1',
      netns: nodeNamespace(node),
    })),
  ];
  return {
    name: fabric,
    links: [
      { name: 'nodes', add: 'type bridge' },
      { name: 'second', add: 'type bridge' },
      ...ports.map(({ port, peer, netns }) => ({
        name: port,
        add: `type veth peer name ${peer} netns ${netns}`,
      })),
    ],
    settings: [
      'link set lo up',
      `addr replace ${nodeNetwork.gateway}/${nodeNetwork.prefixLength} dev nodes`,
      ...['link set nodes up', 'link set second up', 'link set machine master nodes', 'link set machine up'],
      ...ports.flatMap(({ port, bridge }) => [`link set ${port} master ${bridge}`, `link set ${port} up`]),
    ],
    // Unlimited refusals: they are what makes a query for a name outside of the lab fail at once.
    sysctls: { 'net.ipv4.ip_forward': '0', 'net.ipv4.icmp_ratelimit': '0' },
    plainDevices: ports.filter(({ bridge }) => bridge === 'second').map(({ port }) => port),
  };
}

/** Device of the fabric that leads to an address: its last number tells it from all others. */
function portName(kind: 'n' | 's', address: string): string {
  return `${kind}${address.split('.').at(-1)}`;
}

/** The fabric's ends of a node's cables. */
export function nodePorts(node: NodeSpec): string[] {
  return [portName('n', node.address), portName('s', node.secondAddress)];
}

function planControlPlane(topology: Topology, cluster: ClusterSpec): NamespacePlan {
  return {
    name: controlPlaneNamespace(cluster),
    links: [],
    settings: [
      ...addressOnEth0(cluster.address),
      // The API server calls webhooks and aggregated APIs at the addresses of their pods.
      ...podRoutes(topology, cluster),
      ...natRoutes(topology, cluster),
    ],
    sysctls: {},
    plainDevices: [],
  };
}

function planNode(topology: Topology, node: NodeSpec): NamespacePlan {
  const cluster = topology.clusters.find(candidate => candidate.name === node.cluster);
  if (cluster === undefined) throw new Error(`Cannot plan the node ${node.name} as its cluster is not there`);
  return {
    name: nodeNamespace(node),
    links: [],
    settings: [
      ...addressOnEth0(node.address),
      `addr replace ${node.secondAddress}/${secondNetwork.prefixLength} dev eth1`,
      'link set eth1 up',
      ...podRoutes(topology, cluster, node),
      ...natRoutes(topology, cluster),
    ],
    sysctls: { 'net.ipv4.ip_forward': '1' },
    rules: masquerade(topology, cluster, node),
    plainDevices: ['eth1'],
  };
}

function addressOnEth0(address: string): string[] {
  return [
    'link set lo up',
    `addr replace ${address}/${nodeNetwork.prefixLength} dev eth0`,
    'link set eth0 up',
    // Without a default route a packet to a Service address is refused before kube-proxy's rules can see it.
    `route replace default via ${nodeNetwork.gateway}`,
  ];
}

/** Routes to the pods of all other nodes: of the own cluster, and of all clusters where pod networks are routed. */
function podRoutes(topology: Topology, cluster: ClusterSpec, own?: NodeSpec): string[] {
  return reachableClusters(topology, cluster)
    .flatMap(({ nodes }) => nodes)
    .filter(node => node.name !== own?.name)
    .map(node => `route replace ${node.podCidr} via ${node.address}`);
}

function reachableClusters(topology: Topology, cluster: ClusterSpec): readonly ClusterSpec[] {
  return topology.podNetworks === 'routed' ? topology.clusters : [cluster];
}

/**
 * Who is behind a NAT sends by it; others cannot send to who is behind one. All have eth0 on one network, so that this
 * machine reaches them: the routes are the wall.
 */
function natRoutes({ clusters }: Topology, own: ClusterSpec): string[] {
  return clusters
    .filter(cluster => cluster.name !== own.name)
    .flatMap(cluster =>
      addressesOf(cluster).flatMap(address => [
        ...(cluster.nat === undefined ? [] : [`route replace unreachable ${address}`]),
        ...(own.nat === undefined || cluster.nat !== undefined
          ? []
          : [`route replace ${address} via ${own.nat}`]),
      ]),
    );
}

/** The router of a cluster that is behind a NAT. */
function planNat(cluster: ClusterSpec, address: string): NamespacePlan {
  const inside = addressesOf(cluster).join(', ');
  return {
    name: natNamespace(cluster),
    links: [],
    settings: addressOnEth0(address),
    // It is on one network with both sides: a redirect would show them the way around it.
    sysctls: {
      'net.ipv4.ip_forward': '1',
      'net.ipv4.conf.all.send_redirects': '0',
      'net.ipv4.conf.eth0.send_redirects': '0',
    },
    rules: [
      'table ip nauti_lab',
      'delete table ip nauti_lab',
      'table ip nauti_lab {',
      '  chain forward {',
      '    type filter hook forward priority filter; policy drop;',
      '    ct state established,related accept',
      `    ip saddr { ${inside} } accept`,
      '  }',
      '  chain post {',
      '    type nat hook postrouting priority srcnat; policy accept;',
      `    ip saddr { ${inside} } masquerade fully-random`,
      '  }',
      '}',
      '',
    ].join('\n'),
    plainDevices: [],
  };
}

/** Pods keep their address on the way to pods that can answer it; elsewhere they go by their node's. */
function masquerade(topology: Topology, cluster: ClusterSpec, node: NodeSpec): string {
  const podCidrs = reachableClusters(topology, cluster).map(({ podCidr }) => podCidr);
  return [
    'table ip nauti_lab',
    'delete table ip nauti_lab',
    'table ip nauti_lab {',
    '  chain post {',
    '    type nat hook postrouting priority srcnat + 10; policy accept;',
    `    oifname "eth0" ip saddr ${node.podCidr} ip daddr != { ${podCidrs.join(', ')} } masquerade`,
    '  }',
    '}',
    '',
  ].join('\n');
}
