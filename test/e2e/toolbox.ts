import { eventually } from './eventually.ts';
import { apply, type Cluster, kubectl, tryKubectl } from './kubectl.ts';
import { allocationOf } from './nic-network.ts';

/** A pod that uses nothing but its cluster's DNS. */
export interface Toolbox {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly name: string;
}

/** @param node where it must run; absent: where the scheduler puts it. */
export async function startToolbox(
  cluster: Cluster,
  namespace: string,
  name = 'client',
  node?: string,
): Promise<Toolbox> {
  await apply(
    cluster,
    `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  terminationGracePeriodSeconds: 0
${node === undefined ? '' : `  nodeName: ${node}\n`}  containers:
    - { name: toolbox, image: "nauti-lab/toolbox:1", imagePullPolicy: IfNotPresent, command: [sleep, infinity] }
`,
  );
  await kubectl(cluster, ['wait', '--for=condition=Ready', '-n', namespace, `pod/${name}`, '--timeout=110s']);
  return { cluster, namespace, name };
}

/** Runs a command in the pod. */
export function run(toolbox: Toolbox, ...command: string[]) {
  return tryKubectl(toolbox.cluster, ['exec', '-n', toolbox.namespace, toolbox.name, '--', ...command]);
}

/** The body that `curl` got, or undefined where it failed. */
export async function curl(toolbox: Toolbox, url: string): Promise<string | undefined> {
  const { code, stdout } = await run(toolbox, 'curl', '-sS', '--max-time', '3', url);
  return code === 0 ? stdout : undefined;
}

export interface Answer {
  /** NOERROR, NXDOMAIN, … ; `none` where no server answered. */
  readonly status: string;
  /** The data of the records, sorted. */
  readonly data: readonly string[];
}

/** Asks the DNS server of the pod's cluster, as its resolv.conf says. */
export async function dig(toolbox: Toolbox, name: string, type = 'A', ...options: string[]): Promise<Answer> {
  const { stdout } = await run(toolbox, 'dig', '+tries=1', '+time=2', ...options, name, type);
  const status = /status: ([A-Z]+)/.exec(stdout)?.[1] ?? 'none';
  const data = stdout
    .split('\n')
    .filter(line => line !== '' && !line.startsWith(';'))
    .map(line => line.split(/\s+/))
    .filter(words => words[3] === type)
    .map(words => words.slice(4).join(' '))
    .sort();
  return { status, data };
}

/** The first address of its second NIC, once it has one. */
export async function secondAddress({ cluster, namespace, name }: Toolbox): Promise<string> {
  const { answer } = await eventually(
    `a second address of ${name} in ${cluster}`,
    60_000,
    () => allocationOf(cluster, namespace, name),
    ({ addresses }) => addresses[0] !== '',
  );
  return answer.addresses[0] ?? '';
}
