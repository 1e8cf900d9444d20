import { type Endpoint, parseEndpoints } from 'ovsdb-client';
import { componentNamespace } from '../api/names.ts';
import { type Cidr, parseCidr } from '../ipam/cidr.ts';
import { placeOptions } from '../membership/place-options.ts';
import type { OptionSet, Parser } from '../process/options.ts';
import { clusterId, duration, flag, integer, namespaceName, oneOf, path, text } from '../process/parsers.ts';

const cidr: Parser<Cidr> = {
  expected: 'a CIDR such as 10.113.0.0/16 or fd00:10:113::/64, without bits behind the prefix',
  parse: parseCidr,
};

const endpoints: Parser<readonly Endpoint[]> = {
  expected:
    'addresses of OVN databases such as ssl:10.96.4.1:6641 or tcp:a:6641,tcp:b:6641 or unix:/run/ovn/ovnnb_db.sock',
  parse: parseEndpoints,
};

const serviceAccount: Parser<string> = {
  expected: 'a ServiceAccount, <namespace>/<name>',
  parse: value => (/^[a-z0-9][-a-z0-9]{0,62}\/[a-z0-9][-.a-z0-9]{0,252}$/.test(value) ? value : undefined),
};

export const options = {
  ovnNb: {
    flag: 'ovn-nb',
    placeholder: 'ENDPOINTS',
    description: "OVN's northbound database; several servers of a cluster are separated by commas",
    parser: endpoints,
    default: 'unix:/run/ovn/ovnnb_db.sock',
  },
  ovnCa: {
    flag: 'ovn-ca-file',
    placeholder: 'FILE',
    description: "PEM file with the CA of OVN's databases, for ssl:",
    parser: path,
  },
  ovnCert: {
    flag: 'ovn-cert-file',
    placeholder: 'FILE',
    description: 'PEM file with our certificate for it',
    parser: path,
  },
  ovnKey: {
    flag: 'ovn-key-file',
    placeholder: 'FILE',
    description: 'PEM file with the key of our certificate',
    parser: path,
  },
  ovnServerName: {
    flag: 'ovn-server-name',
    placeholder: 'NAME',
    description: "name that the database's certificate must carry; the endpoint's host where it is not given",
    parser: text,
  },
  cidr: {
    flag: 'cidr',
    placeholder: 'CIDR',
    description:
      "the cluster's block of the secondary network, one of each family; where none is given the hub's Peers say it, and --cluster-id must be given",
    parser: cidr,
    repeatable: true,
    aliases: ['OCTOPUS_CIDR'],
  },
  globalCidr: {
    flag: 'global-cidr',
    placeholder: 'CIDR',
    description: 'the block of all clusters together, one of each family of --cidr',
    parser: cidr,
    repeatable: true,
  },
  networkMode: {
    flag: 'network-mode',
    placeholder: 'MODE',
    description:
      'which families pods get addresses of: V4_ONLY, V6_ONLY or DUAL_STACK; those of the CIDRs where it is not given',
    parser: oneOf('V4_ONLY', 'V6_ONLY', 'DUAL_STACK'),
  },
  ...placeOptions,
  clusterId: {
    flag: 'cluster-id',
    placeholder: 'ID',
    description: 'id of this cluster among those of the hub; needed without --cidr',
    parser: clusterId,
    aliases: ['OCTOPUS_CLUSTERID'],
  },
  namespace: {
    flag: 'namespace',
    placeholder: 'NAMESPACE',
    description: "namespace of this component: the leader's lease is kept there",
    parser: namespaceName,
    default: componentNamespace,
  },
  gatewayServiceAccount: {
    flag: 'gateway-service-account',
    placeholder: 'NAMESPACE/NAME',
    description:
      "ServiceAccount whose pods, where they are labelled nauti.io/cnf=true, may get the gateway's address",
    parser: serviceAccount,
    default: `${componentNamespace}/nauti-octopus`,
  },
  addressQuarantine: {
    flag: 'address-quarantine',
    placeholder: 'DURATION',
    description:
      'for so long the address of a pod that is gone is given to nobody but a pod of the same name',
    parser: duration,
    default: '15s',
  },
  cidrChange: {
    flag: 'cidr-change',
    placeholder: 'refuse|renumber',
    description:
      'what a changed CIDR does while ports have addresses of the former: nothing, or every pod gets a new address',
    parser: oneOf('refuse', 'renumber'),
    default: 'refuse',
  },
  clusterSetIp: {
    flag: 'cluster-set-ip',
    placeholder: 'true|false',
    description:
      'whether each node has a port and an address, by which what is sent to the address of an imported service leaves it',
    parser: flag,
    default: 'true',
  },
  isolation: {
    flag: 'isolation',
    placeholder: 'true|false',
    description:
      'whether namespaces and Services labelled nauti.io/isolate=true are closed to other clusters but for exported ports',
    parser: flag,
    default: 'true',
  },
  identity: {
    flag: 'identity',
    placeholder: 'TEXT',
    description: 'tells replicas apart where they choose a leader; the host name where it is not given',
    parser: text,
  },
  leaseDuration: {
    flag: 'lease-duration',
    placeholder: 'DURATION',
    description: 'after so long without a sign of the leader another replica takes over',
    parser: duration,
    default: '3s',
  },
  batchSize: {
    flag: 'batch-size',
    placeholder: 'N',
    description: 'pods in one transaction with OVN at most',
    parser: integer(1, 10_000),
    default: '500',
  },
  concurrency: {
    flag: 'concurrency',
    placeholder: 'N',
    description: 'pods whose annotations are written at once',
    parser: integer(1, 1_024),
    default: '32',
  },
} as const satisfies OptionSet;
