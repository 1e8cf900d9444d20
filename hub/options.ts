import { componentNamespace, defaultGlobalCidr, shareNamespace } from '../api/names.ts';
import { type Cidr, parseCidr } from '../ipam/cidr.ts';
import type { OptionSet, Parser } from '../process/options.ts';
import { clusterId, duration, integer, namespaceName, path } from '../process/parsers.ts';

const cidrs: Parser<readonly Cidr[]> = {
  expected:
    'a CIDR whose host bits are zero, such as 10.112.0.0/12, or one of each address family, separated by a comma',
  parse(value) {
    const list = value.split(',').map(text => parseCidr(text.trim()));
    const known = list.filter(cidr => cidr !== undefined);
    const families = new Set(known.map(({ family }) => family));
    return known.length === list.length && families.size === list.length ? known : undefined;
  },
};

export const options = {
  shareNamespace: {
    flag: 'share-namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace that the clusters share',
    parser: namespaceName,
    default: shareNamespace,
    aliases: ['OCTOPUS_SHARENAMESPACE'],
  },
  namespace: {
    flag: 'namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace of the Lease by which one of several hub processes leads',
    parser: namespaceName,
    default: componentNamespace,
  },
  clusterId: {
    flag: 'cluster-id',
    placeholder: 'ID',
    description: 'id of the hub itself: the name of its Peer, which has the CIDR of all clusters together',
    parser: clusterId,
    default: 'hub',
    aliases: ['OCTOPUS_CLUSTERID'],
  },
  cidr: {
    flag: 'cidr',
    placeholder: 'CIDR[,CIDR]',
    description:
      'CIDR of all clusters together, or one of each address family; each cluster gets a part of it',
    parser: cidrs,
    default: defaultGlobalCidr,
    aliases: ['OCTOPUS_CIDR'],
  },
  clusterPrefix: {
    flag: 'cluster-prefix',
    placeholder: 'BITS',
    description: 'prefix length of the IPv4 CIDR that a cluster gets if it asks for none',
    parser: integer(1, 30),
    default: '16',
  },
  clusterPrefix6: {
    flag: 'cluster-prefix6',
    placeholder: 'BITS',
    description: 'prefix length of the IPv6 CIDR that a cluster gets if it asks for none',
    parser: integer(1, 126),
    default: '64',
  },
  purgeAfter: {
    flag: 'purge-after',
    placeholder: 'DURATION',
    description:
      'a cluster that gave no sign of life for so long is removed with all that it told the others',
    parser: duration,
    default: '24h',
  },
  kubeconfig: {
    flag: 'kubeconfig',
    placeholder: 'FILE',
    description: "kubeconfig of the hub; without it the pod's service account",
    parser: path,
  },
} as const satisfies OptionSet;
