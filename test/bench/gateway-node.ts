/**
 * What a pod in cluster2 sees when the node of cluster1 whose gateway carries the tunnels loses power: by a ping each 10 ms
 * and by one TCP connection to a pod on cluster1's other node. On the lab, with the demo's installation; the node gets its
 * power back in the end.
 *
 *   node test/bench/gateway-node.ts
 */
import { Cluster } from '../../demo/cluster.ts';
import { memberWorkloads } from '../../demo/install.ts';
import { Journal } from '../../demo/journal.ts';
import { directTunnel } from '../../demo/tunnel.ts';
import { startNode, stopNode } from '../../lab/lab.ts';
import { eventually } from '../e2e/eventually.ts';
import { kubectl } from '../e2e/kubectl.ts';
import { secondAddress, startToolbox } from '../e2e/toolbox.ts';
import { rowOf, Traffic, tableHead } from '../e2e/traffic.ts';

const namespace = 'bench-gateway-node';
const nodes = ['cluster1-node1', 'cluster1-node2'] as const;
const journal = new Journal('/dev/null');
const [hub, cluster] = (['hub', 'cluster1'] as const).map(
  name => new Cluster(name, journal, new AbortController().signal),
) as [Cluster, Cluster];

const activeGateway = () =>
  kubectl('cluster1', [
    ...['get', 'lease', 'nauti-octopus', '-n', 'nauti-system'],
    ...['-o', 'jsonpath={.spec.holderIdentity}'],
  ]);

/** A node that has just booted makes its pods anew. */
const isWhole = () => cluster.rolledOut('nauti-system', memberWorkloads);

async function nodeOf(pod: string): Promise<string> {
  return kubectl('cluster1', ['get', 'pod', pod, '-n', 'nauti-system', '-o', 'jsonpath={.spec.nodeName}']);
}

try {
  for (const cluster of ['cluster1', 'cluster2'] as const)
    await kubectl(cluster, ['create', 'namespace', namespace]);
  await isWhole();
  await directTunnel(hub, 'cluster2', 'cluster1');
  const active = await activeGateway();
  const lost = await nodeOf(active);
  const other = nodes.find(node => node !== lost);
  const [server, client] = await Promise.all([
    startToolbox('cluster1', namespace, 'server', other),
    startToolbox('cluster2', namespace, 'client'),
  ]);
  const traffic = await Traffic.start(client, server, await secondAddress(server));
  try {
    await stopNode(lost);
    await eventually('another gateway having the lease', 30_000, activeGateway, now => now !== active);
    await traffic.flows(100);
  } finally {
    const seen = await traffic.end();
    await startNode(lost);
    await isWhole();
    process.stdout.write(`${tableHead}\n${rowOf('node of the gateway lost', seen)}\n`);
  }
} finally {
  for (const cluster of ['cluster1', 'cluster2'] as const)
    await kubectl(cluster, ['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=90s']);
  await journal.close();
}
