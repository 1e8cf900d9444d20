/**
 * What a pod in cluster2 sees when the node of cluster1 whose gateway carries the tunnels loses power: by a ping each 10 ms
 * and by one TCP connection to a pod on cluster1's other node. On the lab, with the demo's installation; the node gets its
 * power back in the end.
 *
 *   node test/bench/gateway-node.ts
 */
import { Cluster } from '../../demo/cluster.ts';
import { Journal } from '../../demo/journal.ts';
import { directTunnel } from '../../demo/tunnel.ts';
import { startNode, stopNode } from '../../lab/lab.ts';
import { eventually } from '../e2e/eventually.ts';
import { kubectl } from '../e2e/kubectl.ts';
import { allocationOf } from '../e2e/nic-network.ts';
import { startToolbox } from '../e2e/toolbox.ts';
import { rowOf, Traffic, tableHead } from '../e2e/traffic.ts';

const namespace = 'bench-gateway-node';
const nodes = ['cluster1-node1', 'cluster1-node2'] as const;
const hub = new Cluster('hub', new Journal('/dev/null'), new AbortController().signal);

const activeGateway = () =>
  kubectl('cluster1', [
    ...['get', 'lease', 'nauti-octopus', '-n', 'nauti-system'],
    ...['-o', 'jsonpath={.spec.holderIdentity}'],
  ]);

async function nodeOf(pod: string): Promise<string> {
  return kubectl('cluster1', ['get', 'pod', pod, '-n', 'nauti-system', '-o', 'jsonpath={.spec.nodeName}']);
}

try {
  for (const cluster of ['cluster1', 'cluster2'] as const)
    await kubectl(cluster, ['create', 'namespace', namespace]);
  await directTunnel(hub, 'cluster2', 'cluster1');
  const active = await activeGateway();
  const lost = await nodeOf(active);
  const other = nodes.find(node => node !== lost);
  const [server, client] = await Promise.all([
    startToolbox('cluster1', namespace, 'server', other),
    startToolbox('cluster2', namespace, 'client'),
  ]);
  const { answer } = await eventually(
    'an address of the server',
    30_000,
    () => allocationOf('cluster1', namespace, 'server'),
    ({ addresses }) => addresses[0] !== '',
  );
  const traffic = await Traffic.start(client, server, answer.addresses[0] ?? '');
  try {
    await stopNode(lost);
    await eventually('another gateway having the lease', 30_000, activeGateway, now => now !== active);
    await traffic.flows(100);
  } finally {
    const seen = await traffic.end();
    await startNode(lost);
    process.stdout.write(`${tableHead}\n${rowOf('node of the gateway lost', seen)}\n`);
  }
} finally {
  for (const cluster of ['cluster1', 'cluster2'] as const)
    await kubectl(cluster, ['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=90s']);
}
