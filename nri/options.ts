import { componentNamespace, nriModeLabel } from '../api/names.ts';
import { kubeconfigOption } from '../kube/access.ts';
import type { OptionSet, Parser } from '../process/options.ts';
import { flag, integer, namespaceName, oneOf, path, text } from '../process/parsers.ts';

/** The runtime closes a plugin that has not answered after 2 s: what is left belongs to the work itself. */
const longestWaitMs = 1_200;

const absolutePath: Parser<string> = {
  expected: 'an absolute path',
  parse: value => (value.startsWith('/') ? path.parse(value) : undefined),
};

const bridgeName: Parser<string> = {
  expected: 'the name of a bridge: at most 15 characters of a-z, A-Z, 0-9, ., _ and -',
  parse: value => (/^[a-zA-Z0-9_][-.\w]{0,14}$/.test(value) ? value : undefined),
};

const pluginIndex: Parser<string> = {
  expected: 'two digits such as 90',
  parse: value => (/^\d\d$/.test(value) ? value : undefined),
};

const wait: Parser<number> = {
  expected: `a duration from 0 to ${longestWaitMs}ms such as 500ms or 1s`,
  parse(value) {
    const match = /^(\d{1,4})(ms|s)?$/.exec(value);
    if (match === null || (match[2] === undefined && value !== '0')) return undefined;
    const milliseconds = Number(match[1]) * (match[2] === 's' ? 1_000 : 1);
    return milliseconds <= longestWaitMs ? milliseconds : undefined;
  },
};

/** 0 stands for "derive it"; IPv6 needs 1280. */
const mtu: Parser<number> = {
  expected: 'an MTU from 1280 to 65535, or 0 to derive it',
  parse(value) {
    const number = integer(0, 65_535).parse(value);
    return number === 0 || (number !== undefined && number >= 1_280) ? number : undefined;
  },
};

export const options = {
  node: {
    flag: 'node',
    placeholder: 'NAME',
    description: 'name of the Node that this process runs on',
    parser: text,
    required: true,
    aliases: ['NODE_NAME'],
  },
  kubeconfig: kubeconfigOption,
  pod: {
    flag: 'pod',
    placeholder: 'NAME',
    description: `name of the pod that this process runs in: it shows by its label ${nriModeLabel} how the agent learns of pods`,
    parser: text,
  },
  namespace: {
    flag: 'namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace of that pod',
    parser: namespaceName,
    default: componentNamespace,
  },
  mode: {
    flag: 'mode',
    placeholder: 'MODE',
    description:
      'how it learns of pods: nri (the runtime calls), cri (out of band, by watching pods), auto: nri where its socket is',
    parser: oneOf('auto', 'nri', 'cri'),
    default: 'auto',
  },
  nriSocket: {
    flag: 'nri-socket',
    placeholder: 'PATH',
    description: 'socket on which the container runtime takes NRI plugins',
    parser: absolutePath,
    default: '/var/run/nri/nri.sock',
  },
  nriIndex: {
    flag: 'nri-index',
    placeholder: 'NN',
    description: 'place among the NRI plugins of the node, two digits; lower ones are called first',
    parser: pluginIndex,
    default: '90',
  },
  criSocket: {
    flag: 'cri-socket',
    placeholder: 'PATH',
    description: "the container runtime's own socket, for the mode cri; the first that is there is taken",
    parser: absolutePath,
    default: '/run/containerd/containerd.sock,/run/crio/crio.sock',
    repeatable: true,
  },
  netnsDirectory: {
    flag: 'netns-dir',
    placeholder: 'PATH',
    description: "directory of the pods' network namespaces; a namespace elsewhere is refused",
    parser: absolutePath,
    default: '/var/run/netns,/run/netns',
    repeatable: true,
  },
  netSysctl: {
    flag: 'net-sysctl-dir',
    placeholder: 'PATH',
    description:
      'directory /proc/sys/net, writable: a container has it only for reading, unless it is mounted elsewhere too',
    parser: absolutePath,
    default: '/proc/sys/net',
  },
  ovsSocket: {
    flag: 'ovs-socket',
    placeholder: 'PATH',
    description: "socket of the node's Open_vSwitch database; the bridge's own socket is beside it",
    parser: absolutePath,
    default: '/run/openvswitch/db.sock',
  },
  bridge: {
    flag: 'bridge',
    placeholder: 'NAME',
    description: "OVN's bridge",
    parser: bridgeName,
    default: 'br-int',
  },
  datapath: {
    flag: 'datapath',
    placeholder: 'KIND',
    description:
      'datapath of the bridge: system, netdev (userspace: pods must calculate checksums), or auto: as the bridge says',
    parser: oneOf('auto', 'system', 'netdev'),
    default: 'auto',
  },
  mtu: {
    flag: 'mtu',
    placeholder: 'BYTES',
    description:
      "MTU of the pods' second NIC; 0 derives it: that of the device with OVN's tunnel address, without Geneve's headers",
    parser: mtu,
    default: '0',
  },
  routeMtu: {
    flag: 'route-mtu',
    placeholder: 'BYTES',
    description:
      "MTU of the routes to other clusters; 0 derives it: that of the pods' first NIC, without WireGuard's headers",
    parser: mtu,
    default: '0',
  },
  wait: {
    flag: 'wait',
    placeholder: 'DURATION',
    description:
      'how long the start of a pod waits for its address at most; the runtime starts one pod at a time meanwhile',
    parser: wait,
    default: '1s',
  },
  require: {
    flag: 'require',
    placeholder: 'true|false',
    description:
      'whether a pod that cannot get its NIC in time fails to start, and is tried again by the kubelet',
    parser: flag,
    default: 'false',
  },
  clusterSetIp: {
    flag: 'cluster-set-ip',
    placeholder: 'true|false',
    description:
      'whether the node has the device ovn0, by which what is sent to the address of an imported service leaves it',
    parser: flag,
    default: 'true',
  },
  removeTaint: {
    flag: 'remove-taint',
    placeholder: 'true|false',
    description: 'whether to take the taint nauti.io/gateway-init off this node once it is ready',
    parser: flag,
    default: 'false',
  },
} as const satisfies OptionSet;
