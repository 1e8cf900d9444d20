/**
 * What the whole path costs on the running lab, in one run: TCP and round trips from pod to pod by their own NICs, by OVN in
 * one cluster, and by OVN, gateway, tunnel, gateway and OVN between two.
 *
 *   node test/bench/tunnel-path.ts [cluster of the servers] [another cluster] [seconds]
 */
import { eventually } from '../e2e/eventually.ts';
import { type Cluster, kubectl, startKubectl } from '../e2e/kubectl.ts';
import { run, secondAddress, startToolbox, type Toolbox } from '../e2e/toolbox.ts';

const [near = 'cluster1', far = 'cluster2', seconds = '5'] = process.argv.slice(2) as [
  Cluster,
  Cluster,
  string,
];
const namespace = 'bench-tunnel';

async function measure(what: string, client: Toolbox, address: string): Promise<void> {
  await eventually(
    `a way to ${address}`,
    60_000,
    () => run(client, 'ping', '-c', '1', '-W', '1', address),
    ({ code }) => code === 0,
  );
  const tcp = await run(client, 'iperf3', '--json', '--time', seconds, '--client', address);
  const { end } = JSON.parse(tcp.stdout) as { end: { sum_received: { bits_per_second: number } } };
  const pings = await run(client, 'ping', '-n', '-q', '-c', '200', '-i', '0.01', address);
  const [, least, average, , deviation] = /= ([\d.]+)\/([\d.]+)\/([\d.]+)\/([\d.]+)/.exec(pings.stdout) ?? [];
  const rate = (end.sum_received.bits_per_second / 1e6).toFixed(0);
  process.stdout.write(`| ${what} | ${rate} | ${least} | ${average} | ${deviation} |\n`);
}

try {
  for (const cluster of [near, far]) await kubectl(cluster, ['create', 'namespace', namespace]);
  const [server, neighbour, stranger] = (await Promise.all([
    startToolbox(near, namespace, 'server'),
    startToolbox(near, namespace, 'neighbour'),
    startToolbox(far, namespace, 'stranger'),
  ])) as [Toolbox, Toolbox, Toolbox];
  const own = await kubectl(near, [
    'get',
    'pod',
    'server',
    '-n',
    namespace,
    '-o',
    'jsonpath={.status.podIP}',
  ]);
  const second = await secondAddress(server);
  const listening = startKubectl(near, ['exec', '-n', namespace, 'server', '--', 'iperf3', '--server']);
  process.stdout.write(
    '| way | TCP, Mbit/s | round trip, ms: least | average | deviation |\n| --- | --- | --- | --- | --- |\n',
  );
  await measure(`pods of ${near}, their own NICs`, neighbour, own);
  await measure(`pods of ${near}, second NICs: OVN`, neighbour, second);
  await measure(`${far} to ${near}: OVN, gateway, tunnel, gateway, OVN`, stranger, second);
  await run(server, 'pkill', 'iperf3');
  listening.kill();
} finally {
  for (const cluster of [near, far])
    await kubectl(cluster, ['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false']);
}
