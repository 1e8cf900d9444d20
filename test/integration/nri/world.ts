/** A real API server, a real node, and the agent between them as a process of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '../../../api/meta.ts';
import { podAnnotations } from '../../../api/names.ts';
import { namespaces, pods } from '../../../api/resource.ts';
import { kubeconfigAccess } from '../../../kube/access.ts';
import { KubeClient } from '../../../kube/client.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/control-plane.ts';
import { checkout } from '../../../lab/tools.ts';
import { until } from '../../../lab/until.ts';
import { CriClient } from '../../../nri/cri-client.ts';
import { type ObservedNamespace, observingLines, readNamespace } from '../../../nri/observed-nic.ts';
import { cgroupParent, TestNode, writeCniConfiguration } from './node.ts';
import {
  EmptySchema,
  PodSandboxIdRequestSchema,
  RunPodSandboxRequestSchema,
  RunPodSandboxResponseSchema,
} from './protocol/generated/cri_pb.ts';

export interface RunningPod {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly sandbox: string;
  /** Path of its network namespace, in the node. */
  readonly netns: string;
}

export interface LogLine {
  readonly msg: string;
  readonly level: number;
  readonly [field: string]: unknown;
}

/** Privileges that the README promises to be enough. */
const capabilities = '-all,+net_admin,+sys_admin';
const metricsPort = 9_100;
const knownPods = 'nauti_kube_cache_objects{cache="pods"}';

export class World implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly node: TestNode;
  readonly admin: KubeClient;
  readonly cri: CriClient;
  /** What the agent logged, all its lives together. */
  readonly log: LogLine[] = [];
  /** Options of Node for it, as the chart gives them. */
  nodeFlags: readonly string[] = [];
  /** What is run as `nauti`. */
  program = join(checkout, 'cli', 'nauti.ts');
  readonly #directory: string;
  #pods = 0;

  constructor(directory: string, plane: ControlPlane, node: TestNode, admin: KubeClient) {
    this.#directory = directory;
    this.plane = plane;
    this.node = node;
    this.admin = admin;
    this.cri = new CriClient(node.path('/run/containerd/containerd.sock'));
  }

  /** Starts the agent and waits until it is ready. */
  async startAgent(...flags: readonly string[]): Promise<void> {
    const words = [
      ...['--node', this.node.name, '--kubeconfig', this.plane.kubeconfig],
      ...['--http-listen', `127.0.0.1:${metricsPort}`, '--log-level', 'debug', ...flags],
    ];
    const child = this.node.start('agent', 'setpriv', [
      ...['--bounding-set', capabilities, '--inh-caps', '-all', '--no-new-privs', '--'],
      ...[process.execPath, ...this.nodeFlags, this.program, 'nri', ...words],
    ]);
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('{')) this.log.push(JSON.parse(line));
        else this.log.push({ msg: line, level: 60 });
      }
    });
    await until(async () => (await this.agentHttp('/readyz')) === 'ok\n', {
      what: 'the agent being ready',
      timeout: 60_000,
      interval: 50,
      detail: async () => `${await this.agentHttp('/readyz')}${JSON.stringify(this.log.slice(-5))}`,
    });
  }

  /** Asks the agent's own server; the node's loopback is not ours. */
  agentHttp(path: string): Promise<string> {
    return this.node
      .run('curl', '-s', '--max-time', '2', `http://127.0.0.1:${metricsPort}${path}`)
      .catch(String);
  }

  /** A value of the agent's metrics; 0 where it is not there. */
  async metric(name: string): Promise<number> {
    const line = (await this.agentHttp('/metrics')).split('\n').find(text => text.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1) ?? 0);
  }

  /** A pod in the API, on this node. */
  async createPod(
    name = `pod-${++this.#pods}`,
    annotations: Record<string, string> = {},
  ): Promise<KubeObject> {
    return this.admin.create(pods, {
      metadata: { namespace: 'default', name, annotations },
      spec: { nodeName: this.node.name, containers: [{ name: 'main', image: 'none' }] },
    });
  }

  async annotate(name: string, annotations: Record<string, string | null>): Promise<void> {
    const body = { metadata: { annotations } };
    const contentType = 'application/merge-patch+json';
    await this.admin.patch(pods, { namespace: 'default', name }, { contentType, body });
  }

  /** What a kubelet does first for a pod. */
  async runSandbox(
    pod: KubeObject,
    more: { attempt?: number; hostNetwork?: boolean; annotations?: Record<string, string> } = {},
  ): Promise<RunningPod> {
    const { name = '', namespace = '', uid = '' } = pod.metadata;
    const { podSandboxId } = await this.cri.call(
      'RunPodSandbox',
      RunPodSandboxRequestSchema,
      {
        config: {
          metadata: { name, namespace, uid, attempt: more.attempt ?? 0 },
          hostname: more.hostNetwork === true ? '' : name,
          logDirectory: join(this.#directory, 'logs'),
          annotations: more.annotations ?? {},
          linux: {
            cgroupParent: cgroupParent(this.node),
            securityContext: { namespaceOptions: { network: more.hostNetwork === true ? 2 : 0, pid: 1 } },
          },
        },
      },
      RunPodSandboxResponseSchema,
      AbortSignal.timeout(60_000),
    );
    const netns = (await this.cri.netnsOf(podSandboxId, AbortSignal.timeout(60_000))) ?? '';
    return { name, namespace, uid, sandbox: podSandboxId, netns };
  }

  async stopSandbox({ sandbox }: Pick<RunningPod, 'sandbox'>): Promise<void> {
    await this.#sandboxCall('StopPodSandbox', sandbox);
  }

  async removeSandbox({ sandbox }: Pick<RunningPod, 'sandbox'>): Promise<void> {
    await this.#sandboxCall('RemovePodSandbox', sandbox);
  }

  async #sandboxCall(method: string, podSandboxId: string): Promise<void> {
    const signal = AbortSignal.timeout(60_000);
    await this.cri.call(method, PodSandboxIdRequestSchema, { podSandboxId }, EmptySchema, signal);
  }

  async deletePod(name: string): Promise<void> {
    await this.admin.request({
      method: 'DELETE',
      path: `/api/v1/namespaces/default/pods/${name}`,
      body: { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 },
    });
  }

  /** Waits until the agent has seen all that was written of pods before: watches tell in order. */
  async seen(): Promise<void> {
    const before = await this.metric(knownPods);
    await this.createPod();
    await until(async () => (await this.metric(knownPods)) > before, {
      what: 'the agent seeing a new pod',
      timeout: 60_000,
      interval: 20,
    });
  }

  /** What the agent takes of the memory, in MB. */
  async residentMegabytes(): Promise<number> {
    return (await this.metric('process_resident_memory_bytes')) / 1_000_000;
  }

  /** The sandboxes that the runtime has ready. */
  async sandboxes(): Promise<RunningPod[]> {
    const signal = AbortSignal.timeout(60_000);
    const listed = (await this.cri.list(signal)).filter(({ isReady }) => isReady);
    return Promise.all(
      listed.map(async ({ id, name, namespace, uid }) => {
        const netns = (await this.cri.netnsOf(id, signal)) ?? '';
        return { name, namespace, uid, sandbox: id, netns };
      }),
    );
  }

  /** What is in a pod's network namespace. */
  async inPod({ netns }: Pick<RunningPod, 'netns'>): Promise<ObservedNamespace> {
    const output = await this.node.run('nsenter', `--net=${netns}`, 'sh', '-c', observeScript);
    return readNamespace(output);
  }

  /** Runs a program in a pod's network namespace. */
  run({ netns }: Pick<RunningPod, 'netns'>, command: string, ...args: readonly string[]): Promise<string> {
    return this.node.run('nsenter', `--net=${netns}`, command, ...args);
  }

  /** The node's devices of ours. */
  async devices(): Promise<string[]> {
    const output = await this.node.run('sh', '-c', `ip -json -details address show`);
    return readNamespace(output)
      .links.map(({ name }) => name)
      .filter(name => name.startsWith('nauti'));
  }

  /** The switch's ports of ours, as `name → external_ids`. */
  async ports(): Promise<Map<string, Record<string, string>>> {
    const output = await this.node.vsctl(
      '--format=json',
      '--columns=name,external_ids',
      'find',
      'Interface',
      'external_ids:vendor=nauti',
    );
    const { data } = JSON.parse(output) as { data: [string, ['map', [string, string][]]][] };
    return new Map(data.map(([name, [, entries]]) => [name, Object.fromEntries(entries)]));
  }

  /** Takes all sandboxes and pods away. */
  async clear(): Promise<void> {
    const all = await this.cri.list(AbortSignal.timeout(60_000));
    await Promise.all(
      all.map(async ({ id }) => {
        await this.stopSandbox({ sandbox: id });
        await this.removeSandbox({ sandbox: id });
      }),
    );
    for await (const { items } of this.admin.listPages(pods)) {
      for (const { metadata } of items) await this.deletePod(metadata.name ?? '');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cri.close();
    this.admin.close();
    await this.node[Symbol.asyncDispose]();
    await this.plane.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

const observeScript = `printf '${observingLines.join('\\n')}\\n' | ip -json -details -force -batch -; ethtool -k eth-ovn 2>/dev/null | grep ^tx-checksumming || :`;

/** The annotations that the ovn-controller writes, for the n-th address of a cluster with both families. */
export function allocation(n: number, more: Record<string, string> = {}): Record<string, string> {
  const hex = n.toString(16).padStart(4, '0');
  return {
    [podAnnotations.ipAddress]: `10.113.${n >> 8}.${n & 255},fd00:10:113::${n.toString(16)}`,
    [podAnnotations.macAddress]: `0a:58:0a:71:${hex.slice(0, 2)}:${hex.slice(2)}`,
    [podAnnotations.cidr]: '10.113.0.0/16,fd00:10:113::/64',
    [podAnnotations.gateway]: '10.113.0.1,fd00:10:113::1',
    [podAnnotations.logicalSwitch]: 'default',
    [podAnnotations.podNicType]: 'veth-pair',
    [podAnnotations.routes]:
      '[{"dst":"10.112.0.0/12","gw":"10.113.0.1"},{"dst":"fd00:10::/32","gw":"fd00:10:113::1"}]',
    [podAnnotations.allocated]: 'true',
    ...more,
  };
}

export async function startWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'nauti-nri-'));
  const plane = await startControlPlane({ directory });
  const node = await TestNode.start(plane.server);
  await writeCniConfiguration(node);
  const admin = new KubeClient(await kubeconfigAccess(plane.kubeconfig));
  await admin.get(namespaces, { name: 'default' });
  return new World(directory, plane, node, admin);
}
