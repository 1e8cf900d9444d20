import { isIP } from 'node:net';
import { componentNamespace } from '../api/names.ts';
import { placeOptions } from '../membership/place-options.ts';
import type { OptionSet, Parser } from '../process/options.ts';
import { clusterId, duration, flag, integer, namespaceName, oneOf, path, text } from '../process/parsers.ts';
import { defaultPort } from './accepted-peers.ts';
import { parseInternalAddress, parseTarget, type Target } from './host-port.ts';

const target: Parser<Target & { readonly hasPort: boolean }> = {
  expected:
    'an IP address or a DNS name, with or without a port, such as 198.51.100.10, gw.example.com:31820 or [2001:db8::1]:31820',
  parse(value) {
    const found = parseTarget(value, 0);
    return found === undefined ? undefined : { ...found, hasPort: found.port !== 0 };
  },
};

const internalAddress: Parser<string> = {
  expected: 'an IP address, or address/prefix',
  parse: parseInternalAddress,
};

const addresses: Parser<readonly string[]> = {
  expected: 'IP addresses, separated by commas',
  parse(value) {
    const list = value.split(',').map(one => one.trim());
    return list.every(one => isIP(one) !== 0) ? list : undefined;
  },
};

/** Names of devices end up in command lines and rules; the kernel takes 15 characters. */
const deviceName: Parser<string> = {
  expected: 'the name of a network device: at most 15 characters of a-z, A-Z, 0-9, ., _ and -',
  parse: value => (/^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/.test(value) ? value : undefined),
};

export const options = {
  clusterId: {
    flag: 'cluster-id',
    placeholder: 'ID',
    description: 'id of this cluster: the name of its Peer on the hub',
    parser: clusterId,
    required: true,
    aliases: ['OCTOPUS_CLUSTERID'],
  },
  isHub: {
    flag: 'hub',
    placeholder: 'true|false',
    description:
      "whether this is the hub's gateway, which passes on what two clusters cannot send each other directly",
    parser: flag,
    default: 'false',
    aliases: ['OCTOPUS_ISHUB'],
  },
  ...placeOptions,
  shareNamespace: {
    ...placeOptions.shareNamespace,
    description:
      'namespace on the hub that the clusters share, with --hub or --hub-kubeconfig; a membership knows it',
  },
  namespace: {
    flag: 'namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace of the Lease and the Secret of this component',
    parser: namespaceName,
    default: componentNamespace,
  },
  lease: {
    flag: 'lease',
    placeholder: 'NAME',
    description: 'Lease by which the candidates choose the one that carries the tunnels',
    parser: text,
    default: 'nauti-octopus',
  },
  keySecret: {
    flag: 'key-secret',
    placeholder: 'NAME',
    description: "Secret that keeps the gateway's keys",
    parser: text,
    default: 'nauti-octopus-key',
  },
  keyRotation: {
    flag: 'key-rotation',
    placeholder: 'DURATION',
    description: 'how long a key is used before the next one; 0 keeps it for ever',
    parser: duration,
    default: '12h',
  },
  meshSecret: {
    flag: 'mesh-secret-file',
    placeholder: 'FILE',
    description:
      'secret of the member clusters that the hub does not have: pre-shared keys are made of it for each pair',
    parser: path,
  },
  endpoint: {
    flag: 'endpoint',
    placeholder: 'HOST[:PORT]',
    description:
      'where others dial this gateway; the annotation nauti.io/force-endpoint of its node beats it',
    parser: target,
    aliases: ['OCTOPUS_ENDPOINT'],
  },
  endpointPort: {
    flag: 'endpoint-port',
    placeholder: 'PORT',
    description: 'UDP port that others dial, where it is not the one that is listened on: a node port',
    parser: integer(1, 65_535),
  },
  isPublic: {
    flag: 'public',
    placeholder: 'auto|true|false',
    description:
      'whether others may dial; auto: where the endpoint is given, or an address of the node is public',
    parser: oneOf('auto', 'true', 'false'),
    default: 'auto',
  },
  service: {
    flag: 'service',
    placeholder: 'NAME',
    description:
      'Service without selector that others dial: while this gateway carries the tunnels its slices hold the addresses of its pod',
    parser: text,
  },
  podIps: {
    flag: 'pod-ips',
    placeholder: 'ADDRESSES',
    description:
      'addresses of the own pod, separated by commas: where the Service leads, and where a second gateway asks whether this one lives',
    parser: addresses,
  },
  internalIp: {
    flag: 'internal-ip',
    placeholder: 'ADDRESS',
    description:
      'where clusters of the same location dial; the annotation nauti.io/force-internal-ip beats it',
    parser: internalAddress,
  },
  location: {
    flag: 'location',
    placeholder: 'TEXT',
    description: "where the cluster is; the annotation nauti.io/location beats it, and it the node's region",
    parser: text,
  },
  granularity: {
    flag: 'granularity',
    placeholder: 'full|location',
    description:
      "whether each cluster has tunnels to all that it can reach, or one speaks for its location; the hub's counts for all",
    parser: oneOf('full', 'location'),
    default: 'full',
  },
  relay: {
    flag: 'relay',
    placeholder: 'true|false',
    description:
      'whether packets may go by the hub, which sees them in the clear, where there is no direct tunnel',
    parser: flag,
    default: 'true',
  },
  keepalive: {
    flag: 'keepalive',
    placeholder: 'SECONDS',
    description:
      'between keepalives to those that this gateway dials; 0 for none; nauti.io/persistent-keepalive beats it',
    parser: integer(0, 65_535),
    default: '10',
  },
  wireguard: {
    flag: 'wireguard',
    placeholder: 'auto|kernel|wireguard-go',
    description: "which WireGuard; auto: the kernel's where it has one",
    parser: oneOf('auto', 'kernel', 'wireguard-go'),
    default: 'auto',
  },
  device: {
    flag: 'device',
    placeholder: 'NAME',
    description: 'name of the tunnel device',
    parser: deviceName,
    default: 'wg0',
  },
  listenPort: {
    flag: 'listen-port',
    placeholder: 'PORT',
    description: 'UDP port that WireGuard listens on; any other one where nobody dials this gateway',
    parser: integer(1, 65_535),
    default: String(defaultPort),
  },
  clusterDevice: {
    flag: 'cluster-device',
    placeholder: 'NAME',
    description: "device towards the cluster's pods on the secondary network",
    parser: deviceName,
    default: 'eth-ovn',
  },
  clusterAddress: {
    flag: 'cluster-address',
    placeholder: 'leave|manage',
    description:
      "who sets the gateway's address on the cluster device: the node agent, or this process while it leads",
    parser: oneOf('leave', 'manage'),
    default: 'leave',
  },
  underlayDevice: {
    flag: 'underlay-device',
    placeholder: 'NAME',
    description: 'device that the tunnels run over; that of the default route where it is not given',
    parser: deviceName,
  },
  nodeName: {
    flag: 'node-name',
    placeholder: 'NAME',
    description: 'node that this runs on, whose annotations are followed; none where it is not given',
    parser: text,
    aliases: ['NODE_NAME'],
  },
  probeInterval: {
    flag: 'probe-interval',
    placeholder: 'DURATION',
    description: 'between two probes of a tunnel; it is down after five that nobody answers',
    parser: duration,
    default: '1s',
  },
  probePort: {
    flag: 'probe-port',
    placeholder: 'PORT',
    description: 'UDP port of the probes inside of the tunnels; the same in all clusters',
    parser: integer(1, 65_535),
    default: '31821',
  },
  lookupInterval: {
    flag: 'lookup-interval',
    placeholder: 'DURATION',
    description: 'after so long the names of endpoints are looked up again',
    parser: duration,
    default: '30s',
  },
  maxPeers: {
    flag: 'max-peers',
    placeholder: 'N',
    description: 'clusters that are believed at most, beside the hub; the oldest of them',
    parser: integer(1, 10_000),
    default: '512',
  },
  identity: {
    flag: 'identity',
    placeholder: 'TEXT',
    description: 'tells candidates apart where they choose a leader; the host name where it is not given',
    parser: text,
  },
  leaseDuration: {
    flag: 'lease-duration',
    placeholder: 'DURATION',
    description: 'after so long without a sign of the leader the other gateway takes over',
    parser: duration,
    default: '2s',
  },
} as const satisfies OptionSet;
