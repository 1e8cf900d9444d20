/**
 * `node test/bench/nic-churn.ts [ROUNDS] [PODS]`: a Deployment of cluster1 of the running lab, scaled from nothing to PODS and
 * back ROUNDS times, with containerd and kubelet of a node killed in between, while a ping every 10 ms goes from node to node.
 * Fails where anything is left: a device, a namespace, a port of the switch, a logical port, an address.
 *
 * Network namespaces without a device, of which containerd knows nothing, are told in the last column: it makes one before it
 * writes down that there is a sandbox, and forgets it when it is killed in between (github.com/containerd/cri/issues/568).
 */
import { runInNode } from '../../lab/lab.ts';
import { crowd } from '../e2e/crowd.ts';
import { eventually } from '../e2e/eventually.ts';
import { apply, kubectl, tryKubectl } from '../e2e/kubectl.ts';
import { allocationOf, type Holdings, holdings, more, nicDevices } from '../e2e/nic-network.ts';
import { startPodPing } from '../e2e/pod-ping.ts';
import { startToolbox } from '../e2e/toolbox.ts';

const rounds = Number(process.argv[2] ?? 20);
const pods = Number(process.argv[3] ?? 100);
const cluster = 'cluster1';
const namespace = 'bench-churn';
const nodes = ['cluster1-node1', 'cluster1-node2'] as const;
const place = ['-n', namespace];
const write = (line: string) => void process.stdout.write(`${line}\n`);

const scale = (replicas: number) =>
  kubectl(cluster, ['scale', ...place, 'deployment/crowd', `--replicas=${replicas}`]);
const nics = async () => (await Promise.all(nodes.map(nicDevices))).flat().length;

/** Ends a program of a node as a crash would; the node's init starts it again. */
const crash = (node: string, program: string) => runInNode(node, ['sh', '-c', `kill -9 $(pidof ${program})`]);

/**
 * Whether containerd has forgotten a network namespace that it made: no container of it has it, and no device is in it.
 *
 * @param place node and name, as {@link holdings} has them.
 */
async function isForgotten(place: string): Promise<boolean> {
  const [node = '', namespace = ''] = place.split(' ');
  const containers = 'ctr -n k8s.io containers ls -q | xargs -r -n 1 ctr -n k8s.io containers info';
  const [known, devices] = await Promise.all([
    runInNode(node, ['sh', '-c', `${containers} | grep -c ${namespace} || :`]),
    runInNode(node, ['sh', '-c', `ip -n ${namespace} -o link | grep -vc ' lo:' || :`]),
  ]);
  return Number(known) === 0 && Number(devices) === 0;
}

/** Waits until nothing is there that was not before. @returns the namespaces that containerd has forgotten. */
async function gone(before: Holdings): Promise<readonly string[]> {
  const { answer } = await eventually(
    'nothing being there that was not before',
    300_000,
    async () => {
      const left = more(await holdings(cluster, nodes), before);
      const namespaces = left.flatMap(one => /^namespaces: (\S+ \S+)$/.exec(one)?.[1] ?? []);
      const isAll =
        namespaces.length === left.length && (await Promise.all(namespaces.map(isForgotten))).every(Boolean);
      return isAll ? { left: [], forgotten: namespaces } : { left, forgotten: [] };
    },
    ({ left }) => left.length === 0,
  );
  return answer.forgotten;
}

await kubectl(cluster, ['create', 'namespace', namespace]);
try {
  await apply(cluster, crowd(namespace));
  const [a] = await Promise.all([
    startToolbox(cluster, namespace, 'a', nodes[0]),
    startToolbox(cluster, namespace, 'b', nodes[1]),
  ]);
  const {
    addresses: [address = ''],
  } = await allocationOf(cluster, namespace, 'b');
  await eventually(
    'a reaching b',
    30_000,
    () => tryKubectl(cluster, ['exec', ...place, 'a', '--', 'ping', '-c', '1', '-W', '1', address]),
    ({ code }) => code === 0,
  );
  let before = await holdings(cluster, nodes);
  const already = await nics();
  write(
    '| round | broken meanwhile | all NICs after | nothing left after | pings lost | most in a row | forgotten by containerd |\n| --- | --- | --- | --- | --- | --- | --- |',
  );
  for (let round = 1; round <= rounds; round++) {
    const node = nodes[round % 2 === 0 ? 0 : 1];
    const program = [undefined, 'containerd', 'kubelet'][round % 3];
    const ping = await startPodPing(a, address);
    const begin = performance.now();
    await scale(pods);
    if (program !== undefined) {
      await eventually('some NICs', 60_000, nics, count => count > already + pods / 4);
      await crash(node, program);
    }
    await kubectl(cluster, ['rollout', 'status', ...place, 'deployment/crowd', '--timeout=115s']);
    await eventually('a NIC each', 60_000, nics, count => count === already + pods);
    const up = performance.now();
    await scale(0);
    if (round % 4 === 0) {
      await eventually('some NICs gone', 60_000, nics, count => count < already + (3 * pods) / 4);
      await crash(nodes[0], 'kubelet');
      await crash(nodes[1], 'containerd');
    }
    const forgotten = await gone(before);
    before = { ...before, namespaces: [...before.namespaces, ...forgotten] };
    const down = performance.now();
    const { answered, lost, row } = await ping.end();
    const broken = [program, ...(round % 4 === 0 ? ['both'] : [])].filter(one => one !== undefined);
    write(
      `| ${round} | ${broken.join(', ') || '–'} | ${((up - begin) / 1_000).toFixed(1)} s | ${((down - up) / 1_000).toFixed(1)} s | ${lost.length} of ${answered + lost.length} | ${row} | ${forgotten.length} |`,
    );
  }
} finally {
  await kubectl(cluster, ['delete', 'namespace', namespace, '--timeout=110s']);
}
