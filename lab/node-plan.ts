/** The files that make a machine's programs a Kubernetes node. Pure: text from data. */
import { stringify } from 'yaml';
import { type ClusterSpec, type NodeSpec, nodeNetwork } from './topology.ts';

/** Where a node finds the lab's programs, within its own root file system. */
export const nodeToolDirectory = '/opt/nauti-lab/bin';

/** The image that holds a pod's namespaces open. */
export const pauseImage = 'nauti-lab/pause:1';

/** Programs that a node runs; `down` to the shim they must be there under these names. */
export const nodeTools = [
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'kubelet',
  'kube-proxy',
  'kubectl',
] as const;

/** The cgroup that the kubelet puts pods below, within each hierarchy. */
export function nodeCgroup({ name }: Pick<NodeSpec, 'name'>): string {
  return name;
}

export interface NodeFilesInput {
  readonly node: NodeSpec;
  readonly cluster: ClusterSpec;
  /** Absolute path of the node's cgroup within a hierarchy. */
  readonly cgroupRoot: string;
}

/** Text of the node's files, by their path in its root file system. */
export function nodeFiles({ node, cluster, cgroupRoot }: NodeFilesInput): Readonly<Record<string, string>> {
  return {
    '/etc/hostname': `${node.name}\n`,
    '/etc/hosts': `127.0.0.1 localhost\n::1 localhost ip6-localhost\n${node.address} ${node.name}\n`,
    // Nothing listens there, which answers at once: names outside of the lab fail fast instead of timing out.
    '/etc/resolv.conf': `nameserver ${nodeNetwork.gateway}\n`,
    '/etc/containerd/config.toml': containerdConfiguration,
    '/etc/cni/net.d/10-nauti-lab.conflist': json(cniConfiguration(node)),
    '/etc/kubernetes/kubelet.yaml': stringify(kubeletConfiguration(cluster, cgroupRoot)),
    '/etc/kubernetes/kube-proxy.yaml': stringify(kubeProxyConfiguration(node)),
  };
}

// restrict_oom_score_adj: a lab without CAP_SYS_RESOURCE cannot lower the score of a sandbox, and must not try.
const containerdConfiguration = `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "docker.io/${pauseImage}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/opt/cni/bin"]
  conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = false

[plugins."io.containerd.nri.v1.nri"]
  disable = false
  socket_path = "/var/run/nri/nri.sock"
`;

/** A pod's first NIC. Every packet of a pod is routed, so kube-proxy's rules see those between two pods of a node too. */
function cniConfiguration({ podCidr }: NodeSpec): object {
  return {
    cniVersion: '1.0.0',
    name: 'nauti-lab',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
          dataDir: '/run/ipam',
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

function kubeletConfiguration({ dnsAddress }: ClusterSpec, cgroupRoot: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: '/etc/kubernetes/ca.crt' },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: '/etc/kubernetes/kubelet.crt',
    tlsPrivateKeyFile: '/etc/kubernetes/kubelet.key',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    clusterDomain: 'cluster.local',
    clusterDNS: [dnsAddress],
    resolvConf: '/etc/resolv.conf',
    // Gateways forward packets between a tunnel and the pod network.
    allowedUnsafeSysctls: ['net.ipv4.ip_forward', 'net.ipv4.conf.*', 'net.ipv6.conf.*'],
    cgroupDriver: 'cgroupfs',
    cgroupRoot,
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    // All nodes share the machine's disk: what fills it is not a pod of theirs, and evicting one would not help.
    localStorageCapacityIsolation: false,
    evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'imagefs.available': '0%' },
    imageGCHighThresholdPercent: 100,
  };
}

function kubeProxyConfiguration({ name }: NodeSpec): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    hostnameOverride: name,
    clientConnection: { kubeconfig: '/etc/kubernetes/kube-proxy.kubeconfig' },
    // The limits of connection tracking belong to the machine.
    conntrack: { maxPerCore: 0, min: 0 },
    oomScoreAdj: 0,
  };
}

/** The Node object as it must be before the kubelet fills it in: its pod CIDR is the one that routes lead to. */
export function nodeObject({ name, cluster, podCidr, zone }: NodeSpec): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'topology.kubernetes.io/region': cluster, 'topology.kubernetes.io/zone': zone },
    },
    spec: { podCIDR: podCidr, podCIDRs: [podCidr] },
  };
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
