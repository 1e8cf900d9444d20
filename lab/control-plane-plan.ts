/** What a control plane consists of, and with which arguments its programs run. Pure: nothing here is started. */
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import type { Subject } from './certificates.ts';

export interface ControlPlaneSpec {
  readonly cluster: string;
  /** Holds certificates (pki/), kubeconfigs and etcd's data. */
  readonly directory: string;
  /** Where the programs are. */
  readonly tools: string;
  /** IPv4 address that the API server listens on. */
  readonly address: string;
  readonly etcdAddress: string;
  /** IPv4 CIDR; with an IPv6 one behind a comma for Services of both families. */
  readonly serviceCidr: string;
  /** IPv4 CIDR that the nodes' pod CIDRs are cut from; without it nodes get none. */
  readonly podCidr?: string;
  readonly controllerManager: boolean;
  readonly scheduler: boolean;
}

/** A program of the lab that runs until it is ended. */
export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export const apiServerPort = 6443;

export function serverUrl({ address }: Pick<ControlPlaneSpec, 'address'>): string {
  return `https://${address}:${apiServerPort}`;
}

export function pkiDirectory({ directory }: Pick<ControlPlaneSpec, 'directory'>): string {
  return join(directory, 'pki');
}

export function kubeconfigFile({ directory }: Pick<ControlPlaneSpec, 'directory'>, user: string): string {
  return join(directory, `${user}.kubeconfig`);
}

/** Certificates that the control plane needs, by the name of their files. */
export function controlPlaneSubjects(spec: ControlPlaneSpec): Readonly<Record<string, Subject>> {
  return {
    'kube-apiserver': {
      commonName: 'kube-apiserver',
      hosts: [
        ...[
          'kubernetes',
          'kubernetes.default',
          'kubernetes.default.svc',
          'kubernetes.default.svc.cluster.local',
        ],
        ...[
          'localhost',
          '127.0.0.1',
          spec.address,
          firstServiceAddress(spec.serviceCidr.split(',')[0] ?? ''),
        ],
      ],
    },
    'kube-apiserver-kubelet-client': {
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['system:masters'],
    },
    ...userSubjects,
  };
}

/** Users with a kubeconfig of their own. */
export const userSubjects = {
  admin: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
  'kube-controller-manager': { commonName: 'system:kube-controller-manager' },
  'kube-scheduler': { commonName: 'system:kube-scheduler' },
} as const satisfies Record<string, Subject>;

/** The first address of the service CIDR: the API server's own Service, `kubernetes.default`. */
export function firstServiceAddress(cidr: string): string {
  const [network = '', prefix = ''] = cidr.split('/');
  if (!isIPv4(network) || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 30) {
    throw new Error(
      `Cannot use a service CIDR as it must be an IPv4 CIDR such as 10.96.0.0/16: current value is ${cidr}`,
    );
  }
  const bytes = network.split('.').map(Number);
  bytes[3] = (bytes[3] ?? 0) + 1;
  return bytes.join('.');
}

export function etcd(spec: ControlPlaneSpec): Program {
  const client = `http://${spec.etcdAddress}:2379`;
  const peer = `http://${spec.etcdAddress}:2380`;
  return {
    name: 'etcd',
    command: join(spec.tools, 'etcd'),
    args: [
      ...['--name=default', `--data-dir=${join(spec.directory, 'etcd')}`, '--unsafe-no-fsync'],
      ...[`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`],
      ...[
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
      ],
      ...['--log-level=warn', '--quota-backend-bytes=4294967296', '--auto-compaction-retention=5m'],
    ],
  };
}

export function apiServer(spec: ControlPlaneSpec): Program {
  const pki = pkiDirectory(spec);
  const loopback = spec.address.startsWith('127.');
  return {
    name: 'kube-apiserver',
    command: join(spec.tools, 'kube-apiserver'),
    args: [
      ...[
        `--bind-address=${spec.address}`,
        `--secure-port=${apiServerPort}`,
        `--advertise-address=${spec.address}`,
      ],
      ...[`--etcd-servers=http://${spec.etcdAddress}:2379`, `--service-cluster-ip-range=${spec.serviceCidr}`],
      ...['--authorization-mode=Node,RBAC', '--allow-privileged=true'],
      ...[`--client-ca-file=${pki}/ca.crt`],
      ...[`--tls-cert-file=${pki}/kube-apiserver.crt`, `--tls-private-key-file=${pki}/kube-apiserver.key`],
      `--kubelet-certificate-authority=${pki}/ca.crt`,
      `--kubelet-client-certificate=${pki}/kube-apiserver-kubelet-client.crt`,
      `--kubelet-client-key=${pki}/kube-apiserver-kubelet-client.key`,
      '--kubelet-preferred-address-types=InternalIP',
      ...['--service-account-issuer=https://kubernetes.default.svc.cluster.local'],
      `--service-account-key-file=${pki}/service-account.key`,
      `--service-account-signing-key-file=${pki}/service-account.key`,
      // Webhooks and aggregated APIs are reached by endpoint address: no kube-proxy runs beside the API server.
      '--enable-aggregator-routing=true',
      // An Endpoints object must not hold a loopback address.
      ...(loopback ? ['--endpoint-reconciler-type=none'] : []),
      // Nobody makes the `default` ServiceAccounts that this plugin asks for.
      ...(spec.controllerManager ? [] : ['--disable-admission-plugins=ServiceAccount']),
    ],
  };
}

export function controllerManager(spec: ControlPlaneSpec): Program {
  const pki = pkiDirectory(spec);
  return {
    name: 'kube-controller-manager',
    command: join(spec.tools, 'kube-controller-manager'),
    args: [
      ...[
        `--kubeconfig=${kubeconfigFile(spec, 'kube-controller-manager')}`,
        `--bind-address=${spec.etcdAddress}`,
      ],
      ...['--leader-elect=false', '--use-service-account-credentials=true'],
      ...[`--root-ca-file=${pki}/ca.crt`, `--service-account-private-key-file=${pki}/service-account.key`],
      ...[`--cluster-signing-cert-file=${pki}/ca.crt`, `--cluster-signing-key-file=${pki}/ca.key`],
      `--service-cluster-ip-range=${spec.serviceCidr}`,
      ...(spec.podCidr === undefined ? [] : ['--allocate-node-cidrs=true', `--cluster-cidr=${spec.podCidr}`]),
    ],
  };
}

export function scheduler(spec: ControlPlaneSpec): Program {
  return {
    name: 'kube-scheduler',
    command: join(spec.tools, 'kube-scheduler'),
    args: [
      `--kubeconfig=${kubeconfigFile(spec, 'kube-scheduler')}`,
      `--bind-address=${spec.etcdAddress}`,
      '--leader-elect=false',
    ],
  };
}

/** The programs that start once the API server answers. */
export function followers(spec: ControlPlaneSpec): Program[] {
  return [
    ...(spec.controllerManager ? [controllerManager(spec)] : []),
    ...(spec.scheduler ? [scheduler(spec)] : []),
  ];
}
