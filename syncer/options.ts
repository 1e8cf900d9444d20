import { componentNamespace, shareNamespace } from '../api/names.ts';
import { placeOptions } from '../membership/place-options.ts';
import type { OptionSet } from '../process/options.ts';
import { clusterId, flag, integer, namespaceName, oneOf, path, text } from '../process/parsers.ts';

/** What says where this cluster and the hub are; a leaving syncer needs no more. */
export const memberOptions = {
  ...placeOptions,
  clusterId: {
    flag: 'cluster-id',
    placeholder: 'ID',
    description: 'id of this cluster among those of the hub',
    parser: clusterId,
    required: true,
    aliases: ['OCTOPUS_CLUSTERID'],
  },
  bootstrapToken: {
    flag: 'bootstrap-token-file',
    placeholder: 'FILE',
    description:
      'file with the join token that "kubectl nauti token create" printed; needed once. The token itself is taken from NAUTI_BOOTSTRAP_TOKEN or OCTOPUS_BOOTSTRAPTOKEN only, as arguments can be read by everybody on a machine',
    parser: path,
  },
  localNamespace: {
    flag: 'local-namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace here for slices of services whose own namespace does not exist here',
    parser: namespaceName,
    default: shareNamespace,
    aliases: ['OCTOPUS_LOCALNAMESPACE'],
  },
  namespace: {
    flag: 'namespace',
    placeholder: 'NAMESPACE',
    description: "namespace of this component: the leader's lease and the identity on the hub are kept there",
    parser: namespaceName,
    default: componentNamespace,
  },
} as const satisfies OptionSet;

export const options = {
  ...memberOptions,
  addresses: {
    flag: 'addresses',
    placeholder: 'WHICH',
    description:
      'which addresses of the pods the other clusters are told: those that the Services have, for clusters whose pods reach each other, or those on the secondary network',
    parser: oneOf('pod', 'secondary'),
    default: 'pod',
  },
  clusterSetIp: {
    flag: 'cluster-set-ip',
    placeholder: 'true|false',
    description: 'whether imports of type ClusterSetIP get an address of this cluster, by a derived Service',
    parser: flag,
    default: 'true',
  },
  nodeAgents: {
    flag: 'node-agents',
    placeholder: 'true|false',
    description:
      'whether to tell the hub how many node agents this cluster has, and which of them learn of pods out of band',
    parser: flag,
    default: 'false',
  },
  identity: {
    flag: 'identity',
    placeholder: 'TEXT',
    description: 'tells replicas apart where they choose a leader; the host name where it is not given',
    parser: text,
  },
  concurrency: {
    flag: 'concurrency',
    placeholder: 'N',
    description: 'services worked on at once, for exports and for imports each',
    parser: integer(1, 256),
    default: '8',
  },
} as const satisfies OptionSet;
