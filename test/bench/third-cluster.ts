/**
 * A third cluster joins the running demo, dies, comes back and leaves; what the other clusters see of it, and after which
 * time. Fails where they do not see it. Leaves the lab as it was.
 *
 *   node test/bench/third-cluster.ts [clusters that look on]
 */
import { type Cluster, kubectl } from '../e2e/kubectl.ts';
import { ThirdCluster } from '../e2e/third-cluster.ts';
import { startToolbox } from '../e2e/toolbox.ts';

const onlookers = (process.argv[2] ?? 'cluster1,cluster2').split(',') as Cluster[];
const namespace = 'bench-third';
const third = new ThirdCluster();

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await work();
  process.stdout.write(`| ${what} | ${((performance.now() - begin) / 1000).toFixed(1)} |\n`);
}

try {
  await third.create();
  for (const cluster of onlookers) await kubectl(cluster, ['create', 'namespace', namespace]);
  const boxes = await Promise.all(onlookers.map(cluster => startToolbox(cluster, namespace)));
  process.stdout.write('| what | s |\n| --- | --- |\n');
  await timed('cluster3 joins, all that it runs is ready', () => third.join());
  await timed('it exports, and is answered', async () => {
    await third.export();
    await third.isAnswered(boxes, true);
  });
  await timed('and reached there', () => third.isReached(boxes));
  await timed('it dies: its name is gone, and the hub says so', async () => {
    await third.losePower();
    await Promise.all([third.isAnswered(boxes, false), third.isAlive('False')]);
  });
  await timed('it is there again', async () => {
    await third.getPower();
    await Promise.all([third.isAnswered(boxes, true), third.isAlive('True')]);
  });
  await timed('helm uninstall: its name is gone', async () => {
    await third.cluster.helm(['uninstall', 'nauti-agent', '-n', 'nauti-system']);
    await third.isAnswered(boxes, false);
  });
} finally {
  await third.remove();
  for (const cluster of onlookers)
    await kubectl(cluster, ['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false']);
}
