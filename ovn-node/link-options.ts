import type { OptionSet, Parser } from '../process/options.ts';
import { integer, socketAddress, text } from '../process/parsers.ts';
import { memberOf } from './link-plan.ts';

const podName: Parser<string> = {
  expected: 'the name of a pod of a StatefulSet, such as nauti-ovn-central-0',
  parse: value =>
    /^[a-z0-9][-.a-z0-9]{0,252}$/.test(value) && memberOf(value) !== undefined ? value : undefined,
};

const domain: Parser<string> = {
  expected: 'a DNS name such as nauti-ovn-central.nauti-system.svc',
  parse: value =>
    value.length <= 253 && /^[a-z0-9]([-a-z0-9]{0,62})(\.[a-z0-9][-a-z0-9]{0,62})*$/.test(value)
      ? value
      : undefined,
};

export const linkOptions = {
  pod: {
    flag: 'pod',
    placeholder: 'NAME',
    description: 'name of this pod; its number says which member it is',
    parser: podName,
    required: true,
  },
  members: {
    flag: 'members',
    placeholder: 'N',
    description: 'how many members there are',
    parser: integer(2, 9),
    default: '3',
  },
  domain: {
    flag: 'domain',
    placeholder: 'NAME',
    description: "where the members' names are: <pod>.<this>",
    parser: domain,
    required: true,
  },
  listen: {
    flag: 'listen',
    placeholder: 'ADDRESS:PORT',
    description: 'where the other members reach this one, by TLS',
    parser: socketAddress,
    default: ':6645',
  },
  sockets: {
    flag: 'sockets',
    placeholder: 'PATH',
    description: 'directory with the Unix sockets of the databases',
    parser: text,
    default: '/run/ovn',
  },
  certificates: {
    flag: 'certificates',
    placeholder: 'PATH',
    description: 'directory of key and certificates: below current/ tls.key, tls.crt, ca.crt',
    parser: text,
    default: '/run/nauti-ovn-pki',
  },
} as const satisfies OptionSet;
