/**
 * A third cluster joins the running demo, dies, comes back and leaves; what the other clusters see of it, and after which
 * time. Fails where they do not see it. Leaves the lab with the third cluster up and without Nauti.
 *
 *   node test/bench/third-cluster.ts [clusters that look on]
 */
import { Cluster as DemoCluster } from '../../demo/cluster.ts';
import { curlNginx, deployNginx, exampleUrl, exportNginx } from '../../demo/example.ts';
import { forwardClusterDns, joinCluster } from '../../demo/install.ts';
import { Journal } from '../../demo/journal.ts';
import { killApiServer, startApiServer, startNode, stopNode } from '../../lab/lab.ts';
import { bringUp } from '../../lab/up.ts';
import { eventually } from '../e2e/eventually.ts';
import { type Cluster, kubectl, readJson } from '../e2e/kubectl.ts';
import { dig, startToolbox, type Toolbox } from '../e2e/toolbox.ts';

const onlookers = (process.argv[2] ?? 'cluster1,cluster2').split(',') as Cluster[];
const namespace = 'bench-third';
const third = 'cluster3';
const name = `cluster3.${new URL(exampleUrl).hostname}`;
const { signal } = new AbortController();
const journal = new Journal('/dev/null');
const demo = (cluster: string) => new DemoCluster(cluster, journal, signal);

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  await work();
  process.stdout.write(`| ${what} | ${((performance.now() - begin) / 1000).toFixed(1)} |\n`);
}

async function answers(boxes: readonly Toolbox[], wanted: boolean): Promise<void> {
  const seen = async (box: Toolbox) =>
    eventually(
      `${box.cluster} ${wanted ? '' : 'not '}answering ${name}`,
      90_000,
      () => dig(box, name),
      ({ data }) => data.length > 0 === wanted,
    );
  await Promise.all(boxes.map(seen));
}

async function alive(wanted: 'True' | 'False'): Promise<void> {
  await eventually(
    `the hub saying Alive=${wanted}`,
    90_000,
    async () => {
      const { status } = (await readJson('hub', ['peer', third, '-n', 'syncer-operator'])) as {
        status?: { conditions?: { type: string; status: string }[] };
      };
      return status?.conditions?.find(({ type }) => type === 'Alive')?.status;
    },
    status => status === wanted,
  );
}

try {
  await bringUp({ clusters: [third], signal });
  const given = JSON.parse(
    await demo('cluster2').helm(['get', 'values', 'nauti-agent', '-n', 'nauti-system', '-o', 'json']),
  ) as { image: { repository: string; tag: string }; podAnnotations: Record<string, string> };
  const image = { ...given.image, id: given.podAnnotations['nauti.io/image'] ?? '', archive: '' };
  for (const cluster of onlookers) await kubectl(cluster, ['create', 'namespace', namespace]);
  const boxes = await Promise.all(onlookers.map(cluster => startToolbox(cluster, namespace)));
  process.stdout.write('| what | s |\n| --- | --- |\n');
  await timed('cluster3 joins, all that it runs is ready', () =>
    joinCluster(demo(third), { hub: demo('hub'), url: 'https://198.51.100.10:6443', image }),
  );
  await forwardClusterDns(demo(third));
  await deployNginx(demo(third));
  await timed('its export is answered', async () => {
    await exportNginx(demo(third));
    await answers(boxes, true);
  });
  await timed('and curled by the name of the service', async () => {
    for (const cluster of onlookers) await curlNginx(demo(cluster));
  });
  await timed('it dies: its name is gone, and the hub says so', async () => {
    await Promise.all([stopNode('cluster3-node1'), killApiServer(third)]);
    await Promise.all([answers(boxes, false), alive('False')]);
  });
  await timed('it is there again', async () => {
    await startApiServer(third);
    await startNode('cluster3-node1');
    await Promise.all([answers(boxes, true), alive('True')]);
  });
  await timed('helm uninstall: its name is gone', async () => {
    await demo(third).helm(['uninstall', 'nauti-agent', '-n', 'nauti-system']);
    await answers(boxes, false);
  });
} finally {
  for (const cluster of onlookers)
    await kubectl(cluster, ['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false']);
  await journal.close();
}
