import { isIP } from 'node:net';
import { clustersetZone, defaultZone, shareNamespace } from '../api/names.ts';
import { type Cidr, parseCidr } from '../ipam/cidr.ts';
import type { OptionSet, Parser } from '../process/options.ts';
import {
  clusterId,
  duration,
  integer,
  namespaceName,
  oneOf,
  path,
  socketAddress,
  text,
} from '../process/parsers.ts';
import type { ZoneForm } from './compile.ts';
import { nameToWire } from './name.ts';

export interface ZoneChoice {
  readonly name: string;
  readonly form: ZoneForm;
}

/** `NAME`, `NAME=mcs` or `NAME=endpoints`; without a form hyperos.local is `endpoints` and every other zone `mcs`. */
export const zoneChoice: Parser<ZoneChoice> = {
  expected: 'a zone such as hyperos.local, clusterset.local=mcs or example.org=endpoints',
  parse(value) {
    const match = /^([a-z0-9_.-]+?)\.?(?:=(mcs|endpoints))?$/.exec(value.toLowerCase());
    const name = match?.[1] ?? '';
    if (nameToWire(name) === undefined || name === '' || name === '.') return undefined;
    const form = (match?.[2] as ZoneForm | undefined) ?? (name === defaultZone ? 'endpoints' : 'mcs');
    return { name, form };
  },
};

const ipAddress: Parser<string> = {
  expected: 'an IP address',
  parse: value => (isIP(value) === 0 ? undefined : value),
};

const cidr: Parser<Cidr> = {
  expected: 'a network such as 10.0.0.0/8 or fd00::/8',
  parse: parseCidr,
};

const share: Parser<number> = {
  expected: 'a number from 0 to 1',
  parse: value => (/^(0|1|0?\.\d{1,9}|1\.0+)$/.test(value) ? Number(value) : undefined),
};

const reverseNetwork: Parser<Cidr> = {
  expected: 'a network with a prefix of 8 to 24 bits (IPv4) or 16 to 124 (IPv6), such as 10.112.0.0/12',
  parse(value) {
    const network = parseCidr(value);
    if (network === undefined) return undefined;
    const [least, most] = network.family === 4 ? [8, 24] : [16, 124];
    return network.prefix >= least && network.prefix <= most ? network : undefined;
  },
};

/** Networks whose addresses nobody outside can be reached at, so that forging them harms nobody outside. */
const privateNetworks =
  '10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,127.0.0.0/8,fc00::/7,fe80::/10,::1/128';

/** Options that a file of settings may change while the server runs. */
export const liveOptions = {
  rateLimit: {
    flag: 'rate-limit',
    placeholder: 'NUMBER',
    description:
      'answers a second over UDP to one network of clients (IPv4 /24, IPv6 /56); what goes over is sent to TCP; 0 is no limit',
    parser: integer(0, 10_000_000),
    default: '2000',
  },
  rateLimitExempt: {
    flag: 'rate-limit-exempt',
    placeholder: 'CIDR',
    description: 'a network without that limit',
    parser: cidr,
    default: privateNetworks,
    repeatable: true,
  },
  tcpConnections: {
    flag: 'tcp-connections',
    placeholder: 'NUMBER',
    description: 'TCP connections at a time; the one that is idle longest gives way',
    parser: integer(1, 100_000),
    default: '1000',
  },
  tcpConnectionsPerClient: {
    flag: 'tcp-connections-per-client',
    placeholder: 'NUMBER',
    description: 'TCP connections at a time from one address',
    parser: integer(1, 100_000),
    default: '100',
  },
  tcpIdle: {
    flag: 'tcp-idle',
    placeholder: 'DURATION',
    description: 'how long a TCP connection may be without a query',
    parser: duration,
    default: '10s',
  },
  queryLog: {
    flag: 'query-log',
    placeholder: 'SHARE',
    description: 'share of the queries that is logged, from 0 (none) to 1 (all)',
    parser: share,
    default: '0',
  },
} as const satisfies OptionSet;

export const options = {
  ...liveOptions,
  source: {
    flag: 'source',
    placeholder: 'SOURCE',
    description:
      'where services come from: "kubernetes", the path of a directory with manifests, or redis://… that "nauti dns-publish" writes (by the environment where it has a password)',
    parser: path,
    default: 'kubernetes',
    repeatable: true,
  },
  listen: {
    flag: 'listen',
    placeholder: 'ADDRESS:PORT',
    description: 'where DNS is answered, over UDP and TCP',
    parser: socketAddress,
    default: ':53',
    repeatable: true,
  },
  zone: {
    flag: 'zone',
    placeholder: 'NAME[=FORM]',
    description:
      'a zone to answer; its form is "endpoints" (names answer ready endpoints; default of hyperos.local) or "mcs" (KEP-1645 to the letter; default of all others)',
    parser: zoneChoice,
    default: `${defaultZone},${clustersetZone}`,
    repeatable: true,
  },
  reverseZone: {
    flag: 'reverse-zone',
    placeholder: 'CIDR',
    description:
      'a network whose addresses are answered with names (PTR), such as the global CIDR of secondary addresses',
    parser: reverseNetwork,
    default: '',
    repeatable: true,
  },
  clusterId: {
    flag: 'cluster-id',
    placeholder: 'ID',
    description: 'the cluster whose clients are answered; its endpoints are near',
    parser: clusterId,
    required: true,
    aliases: ['OCTOPUS_CLUSTERID'],
  },
  topologyZone: {
    flag: 'topology-zone',
    placeholder: 'ZONE',
    description: 'topology zone of the clients, where all are in one; its endpoints are nearest',
    parser: text,
  },
  localNamespace: {
    flag: 'local-namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace with the slices of services whose own namespace does not exist here',
    parser: namespaceName,
    default: shareNamespace,
    aliases: ['OCTOPUS_LOCALNAMESPACE'],
  },
  kubeconfig: {
    flag: 'kubeconfig',
    placeholder: 'FILE',
    description: 'kubeconfig for the source "kubernetes"; without it the service account of the pod',
    parser: path,
  },
  redisCa: {
    flag: 'redis-ca',
    placeholder: 'FILE',
    description: 'CA of the certificate of a Redis at rediss://… (PEM); without it those that Node knows',
    parser: path,
  },
  ttl: {
    flag: 'ttl',
    placeholder: 'DURATION',
    description: 'how long answers may be kept',
    parser: duration,
    default: '5s',
  },
  negativeTtl: {
    flag: 'negative-ttl',
    placeholder: 'DURATION',
    description: 'how long it may be kept that a name or type does not exist',
    parser: duration,
    default: '5s',
  },
  versionTtl: {
    flag: 'version-ttl',
    placeholder: 'DURATION',
    description: 'how long the version of the record schema (dns-version.ZONE) may be kept',
    parser: duration,
    default: '28800s',
  },
  nameServerAddress: {
    flag: 'name-server-address',
    placeholder: 'ADDRESS',
    description: 'address at which clients reach this server, answered for ns.dns.ZONE',
    parser: ipAddress,
    default: '',
    repeatable: true,
  },
  settings: {
    flag: 'settings',
    placeholder: 'FILE',
    description: `file with settings that may change while it runs (YAML): ${Object.values(liveOptions)
      .map(option => option.flag)
      .join(', ')}`,
    parser: path,
  },
  snapshot: {
    flag: 'snapshot',
    placeholder: 'FILE',
    description: 'file that keeps what is known, to answer from after a restart',
    parser: path,
  },
  nsid: {
    flag: 'nsid',
    placeholder: 'TEXT',
    description: 'name of this server for clients that ask for it (RFC 5001)',
    parser: text,
  },
  cookieSecretFile: {
    flag: 'cookie-secret-file',
    placeholder: 'FILE',
    description:
      'secrets of DNS cookies, 32 hexadecimal digits a line, the one in use first; all servers behind one address need the same; without it one is made up at the start',
    parser: path,
  },
  lameduck: {
    flag: 'lameduck',
    placeholder: 'DURATION',
    description: 'how long it goes on to answer after it was told to stop, no longer ready',
    parser: duration,
    default: '0',
  },
  workers: {
    flag: 'workers',
    placeholder: 'NUMBER',
    description:
      'processes that answer, on the same addresses; with more than one, this process only has the data, and limits are for each',
    parser: integer(1, 64),
    default: '1',
  },
  udpIo: {
    flag: 'udp-io',
    placeholder: 'WAY',
    description:
      'how datagrams are received and sent: "batch" (many with one system call, where that is possible) or "node"',
    parser: oneOf('batch', 'node'),
    default: 'batch',
  },
  udpSize: {
    flag: 'udp-size',
    placeholder: 'OCTETS',
    description: 'size of the largest answer over UDP',
    parser: integer(512, 4096),
    default: '1232',
  },
} as const satisfies OptionSet;
