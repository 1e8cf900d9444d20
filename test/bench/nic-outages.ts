/**
 * `node test/bench/nic-outages.ts`: what a ping every 10 ms between pods of two nodes of cluster1 of the running lab loses
 * while parts of the secondary network end: killed as by a crash, or replaced as by an upgrade. Then 1 GB by TCP.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNode } from '../../lab/lab.ts';
import { eventually } from '../e2e/eventually.ts';
import { kubectl, startKubectl, tryKubectl } from '../e2e/kubectl.ts';
import { allocationOf } from '../e2e/nic-network.ts';
import { startPodPing } from '../e2e/pod-ping.ts';
import { startToolbox } from '../e2e/toolbox.ts';

const cluster = 'cluster1';
const namespace = 'bench-outages';
const nodes = ['cluster1-node1', 'cluster1-node2'] as const;
const place = ['-n', namespace];
const system = ['-n', 'nauti-system'];
/** How long is looked on after what was done has been done, in milliseconds. */
const after = 6_000;
const write = (line: string) => void process.stdout.write(`${line}\n`);

/** Ends a program on the second node as a crash would. */
const crash = (pattern: string) =>
  runInNode(nodes[1], ['sh', '-c', `kill -9 $(pgrep -f '${pattern}' | head -n 1)`]);

async function restart(what: string): Promise<void> {
  await kubectl(cluster, ['rollout', 'restart', ...system, what]);
  await kubectl(cluster, ['rollout', 'status', ...system, what, '--timeout=115s']);
}

const cases: readonly (readonly [what: string, act: () => Promise<unknown>])[] = [
  ['nothing', async () => {}],
  ['ovs-vswitchd killed', () => crash('^ovs-vswitchd')],
  ['ovsdb-server of the node killed', () => crash('^ovsdb-server.*run/openvswitch')],
  ["OVN's agent killed", () => crash('^ovn-controller')],
  ['containerd killed', () => runInNode(nodes[1], ['sh', '-c', 'kill -9 $(pidof containerd)'])],
  ['pods of `nauti-nri` replaced', () => restart('daemonset/nauti-nri')],
  ['pod of `nauti-ovn-central` replaced', () => restart('statefulset/nauti-ovn-central')],
  ['pods of `nauti-ovs` replaced, one node after the other', () => restart('daemonset/nauti-ovs')],
];

await kubectl(cluster, ['create', 'namespace', namespace]);
try {
  const [a] = await Promise.all([
    startToolbox(cluster, namespace, 'a', nodes[0]),
    startToolbox(cluster, namespace, 'b', nodes[1]),
  ]);
  const { addresses } = await allocationOf(cluster, namespace, 'b');
  const [v4 = ''] = addresses;
  const inPod = (name: string, ...command: string[]) =>
    tryKubectl(cluster, ['exec', ...place, name, '--', ...command]);
  const reaches = () =>
    eventually(
      'a reaching b',
      60_000,
      () => inPod('a', 'ping', '-c', '1', '-W', '1', v4),
      ({ code }) => code === 0,
    );
  write('| what | longest without an answer | lost in all |\n| --- | --- | --- |');
  for (const [what, act] of cases) {
    await reaches();
    const ping = await startPodPing(a, v4);
    await sleep(1_000);
    await act();
    await sleep(after);
    await reaches();
    await sleep(500);
    const { answered, lost, row } = await ping.end();
    write(`| ${what} | ${(row / 100).toFixed(2)} s | ${lost.length} of ${answered + lost.length} |`);
  }
  const server = startKubectl(cluster, ['exec', ...place, 'b', '--', 'iperf3', '--server']);
  for (const address of addresses) {
    const { answer } = await eventually(
      `1 GB to ${address}`,
      115_000,
      () =>
        inPod('a', 'iperf3', '--client', address, '--bytes', '1000M', '--connect-timeout', '2000', '--json'),
      ({ code }) => code === 0,
    );
    const { sum_received } = (
      JSON.parse(answer.stdout) as { end: { sum_received: { bytes: number; seconds: number } } }
    ).end;
    write(`\n1 GB to ${address}: ${sum_received.bytes} bytes in ${sum_received.seconds.toFixed(1)} s`);
  }
  server.kill();
} finally {
  await kubectl(cluster, ['delete', 'namespace', namespace, '--timeout=110s']);
}
