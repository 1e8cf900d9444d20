import { isIP } from 'node:net';
import { clustersetZone, defaultZone, shareNamespace } from '../api/names.ts';
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
    const match = /^([^=]+?)\.?(?:=(mcs|endpoints))?$/.exec(value.toLowerCase());
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

export const options = {
  source: {
    flag: 'source',
    placeholder: 'SOURCE',
    description: 'where services come from: "kubernetes", or the path of a directory with manifests',
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
  nameServerAddress: {
    flag: 'name-server-address',
    placeholder: 'ADDRESS',
    description: 'address at which clients reach this server, answered for ns.dns.ZONE',
    parser: ipAddress,
    default: '',
    repeatable: true,
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
