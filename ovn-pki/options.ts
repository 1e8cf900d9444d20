import { componentNamespace } from '../api/names.ts';
import { kubeconfigOption } from '../kube/access.ts';
import type { OptionSet, Parser } from '../process/options.ts';
import { duration, namespaceName, oneOf, text } from '../process/parsers.ts';
import { certificateKinds } from './certificate-kind.ts';

const serviceAccount: Parser<string> = {
  expected: 'a ServiceAccount, <namespace>/<name>',
  parse: value => (/^[a-z0-9][-a-z0-9]{0,62}\/[a-z0-9][-.a-z0-9]{0,252}$/.test(value) ? value : undefined),
};

/** RFC 1123; a wildcard may stand for the first label. */
const serverName: Parser<string> = {
  expected: 'a DNS name such as nauti-ovn-nb.nauti-system.svc, or with * as its first label',
  parse: value =>
    value.length <= 253 &&
    /^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/.test(value)
      ? value
      : undefined,
};

/** Shorter ones would be renewed without end. */
const lifetime: Parser<number> = {
  expected: 'a duration of at least 10m, such as 720h',
  parse(value) {
    const ms = duration.parse(value);
    return ms !== undefined && ms >= 600_000 ? ms : undefined;
  },
};

/** A Common Name has at most 64 characters (RFC 5280, ub-common-name). */
const commonName: Parser<string> = {
  expected: 'a name of at most 64 characters of a-z, 0-9, . and -',
  parse: value => (/^[a-z0-9][-.a-z0-9]{0,63}$/.test(value) ? value : undefined),
};

const common = {
  kubeconfig: kubeconfigOption,
  namespace: {
    flag: 'namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace of this component, and of the ConfigMap with the certificates of the authorities',
    parser: namespaceName,
    default: componentNamespace,
  },
} as const satisfies OptionSet;

export const signerOptions = {
  ...common,
  databaseAccount: {
    flag: 'database-account',
    placeholder: 'NAMESPACE/NAME',
    description: "ServiceAccount of OVN's databases",
    parser: serviceAccount,
    default: `${componentNamespace}/nauti-ovn-central`,
  },
  controllerAccount: {
    flag: 'controller-account',
    placeholder: 'NAMESPACE/NAME',
    description: 'ServiceAccount of the ovn-controller, which writes the northbound database',
    parser: serviceAccount,
    default: `${componentNamespace}/nauti-ovn-controller`,
  },
  chassisAccount: {
    flag: 'chassis-account',
    placeholder: 'NAMESPACE/NAME',
    description: 'ServiceAccount of the pods that run OVS on the nodes',
    parser: serviceAccount,
    default: `${componentNamespace}/nauti-ovs`,
  },
  serverName: {
    flag: 'server-name',
    placeholder: 'NAME',
    description: "DNS name in the certificate of OVN's databases; may be repeated",
    parser: serverName,
    default: 'nauti-ovn-nb,nauti-ovn-sb',
    repeatable: true,
  },
  certificateLifetime: {
    flag: 'certificate-lifetime',
    placeholder: 'DURATION',
    description: 'how long a certificate serves; it is renewed when a third of that is left',
    parser: lifetime,
    default: '720h',
  },
  authorityLifetime: {
    flag: 'authority-lifetime',
    placeholder: 'DURATION',
    description: 'how long an authority serves; its successor is made when a third of that is left',
    parser: lifetime,
    default: '43800h',
  },
  authorityOverlap: {
    flag: 'authority-overlap',
    placeholder: 'DURATION',
    description: 'how long a new authority is known everywhere before it signs',
    parser: duration,
    default: '24h',
  },
} as const satisfies OptionSet;

export const certificateOptions = {
  ...common,
  kind: {
    flag: 'kind',
    placeholder: 'KIND',
    description: `what the certificate is for: ${certificateKinds.join(', ')}`,
    parser: oneOf(...certificateKinds),
    required: true,
  },
  commonName: {
    flag: 'common-name',
    placeholder: 'NAME',
    description: "name in the certificate; a chassis' must be that of its node",
    parser: commonName,
    required: true,
  },
  directory: {
    flag: 'directory',
    placeholder: 'PATH',
    description: 'where key and certificates are kept: below current/ tls.key, tls.crt, ca.crt, clients.crt',
    parser: text,
    default: '/run/nauti-ovn-pki',
  },
} as const satisfies OptionSet;
