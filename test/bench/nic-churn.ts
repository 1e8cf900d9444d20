/**
 * `node test/bench/nic-churn.ts [ROUNDS] [PODS]`: a Deployment of cluster1 of the running lab, scaled from nothing to PODS and
 * back ROUNDS times, with containerd and kubelet of a node killed in between, while a ping every 10 ms goes from node to node.
 * Fails where anything is left: a device, a namespace, a port of the switch, a logical port, an address.
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

const gone = (before: Holdings) =>
  eventually(
    'nothing being there that was not before',
    300_000,
    async () => more(await holdings(cluster, nodes), before),
    found => found.length === 0,
  );

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
  const before = await holdings(cluster, nodes);
  const already = await nics();
  write(
    '| round | broken meanwhile | all NICs after | nothing left after | pings lost | most in a row |\n| --- | --- | --- | --- | --- | --- |',
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
    await gone(before);
    const down = performance.now();
    const { answered, lost, row } = await ping.end();
    const broken = [program, ...(round % 4 === 0 ? ['both'] : [])].filter(one => one !== undefined);
    write(
      `| ${round} | ${broken.join(', ') || '–'} | ${((up - begin) / 1_000).toFixed(1)} s | ${((down - up) / 1_000).toFixed(1)} s | ${lost.length} of ${answered + lost.length} | ${row} |`,
    );
  }
} finally {
  await kubectl(cluster, ['delete', 'namespace', namespace, '--timeout=110s']);
}
