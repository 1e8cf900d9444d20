/**
 * `npm run demo`: three real clusters on this machine, Nauti in them, and a service of one curled by name from another.
 * Each step does only what is still to be done: an interrupted run goes on where it was.
 */
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Listr, type ListrTask, type ListrTaskWrapper, PRESET_TIMER } from 'listr2';
import { serverUrl } from '../lab/control-plane-plan.ts';
import { checkout } from '../lab/tools.ts';
import { allNodes, clusterNamed, type Topology } from '../lab/topology.ts';
import { bringUp } from '../lab/up.ts';
import { bar } from './bar.ts';
import { Cluster } from './cluster.ts';
import { curlNginx, deployNginx, exampleUrl, exportNginx, startClient } from './example.ts';
import { buildNautiImage, loadNautiImage, type NautiImage } from './image.ts';
import { forwardClusterDns, installHub, joinCluster } from './install.ts';
import { Journal } from './journal.ts';
import { farewell, suggestions } from './next-commands.ts';

interface Context {
  image?: NautiImage;
  page?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: the wrapper's other parameters say how it is drawn, which no step needs.
type Step = ListrTaskWrapper<Context, any, any>;

const members = ['cluster1', 'cluster2'] as const;
const begin = performance.now();
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupted.abort(new Error('Interrupted; "npm run demo" goes on from here')));
}
const say = (text: string) => void process.stdout.write(`${text}\n`);

await mkdir(join(checkout, '.lab'), { recursive: true });
const journal = new Journal(join(checkout, '.lab', 'demo.log'));
try {
  say('The lab: three clusters on this machine');
  const topology = await bringUp({ podNetworks: 'routed', signal: interrupted.signal });
  say('\nNauti in it');
  const context: Context = {};
  await new Listr<Context>(steps(topology), {
    rendererOptions: { timer: PRESET_TIMER, collapseErrors: false, showErrorMessage: false },
    fallbackRendererOptions: { timer: PRESET_TIMER },
  }).run(context);
  say(`\n${context.page?.trim()}`);
  say(`\nThat is ${exampleUrl}, nginx of cluster1, from a pod of cluster2.`);
  say(`The demo took ${((performance.now() - begin) / 1000).toFixed(1)} s. Try next:\n`);
  for (const { what, commands } of [...suggestions, farewell]) {
    say([`# ${what}`, ...commands].map(line => `  ${line}`).join('\n'));
  }
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  journal.note(`failed: ${error instanceof Error ? error.stack : error}`);
  process.stderr.write(
    `\nThe demo failed: ${message}\nAll commands and what they printed: ${relative(process.cwd(), journal.path)}. "npm run demo" goes on from here.\n`,
  );
  process.exitCode = 1;
} finally {
  await journal.close();
}

function steps(topology: Topology): ListrTask<Context>[] {
  const cluster = (name: string) => new Cluster(name, journal, interrupted.signal);
  const hub = cluster('hub');
  const [first, second] = members.map(cluster) as [Cluster, Cluster];
  const url = serverUrl(clusterNamed(topology, 'hub'));
  return [
    step('Image of the project, by its Dockerfile', async (context, progress) => {
      context.image = await buildNautiImage({ signal: interrupted.signal, onProgress: progress.say });
    }),
    step('Image on the nodes', async (context, progress) => {
      const nodes = allNodes(topology).length;
      let loaded = 0;
      progress.bar(loaded, nodes);
      const onProgress = () => progress.bar(++loaded, nodes);
      await loadNautiImage(imageOf(context), { signal: interrupted.signal, onProgress });
    }),
    step('helm install nauti, on the hub', (context, progress) =>
      installHub(hub, { url, image: imageOf(context), onProgress: progress.bar }),
    ),
    ...[first, second].map(member =>
      step(`Join token, and helm install nauti-agent, in ${member.name}`, (context, progress) =>
        joinCluster(member, { hub, url, image: imageOf(context), onProgress: progress.bar }),
      ),
    ),
    step('CoreDNS of both clusters forwards hyperos.local and clusterset.local', async () => {
      await Promise.all([first, second].map(forwardClusterDns));
    }),
    step('nginx in cluster1', () => deployNginx(first)),
    step('ServiceExport of nginx-svc in cluster1', () => exportNginx(first)),
    step('A pod with curl in cluster2', () => startClient(second)),
    step(`curl ${exampleUrl} in that pod`, async context => {
      context.page = await curlNginx(second);
    }),
  ];
}

function imageOf({ image }: Context): NautiImage {
  if (image === undefined) throw new Error('unreachable: the image is built first');
  return image;
}

interface StepProgress {
  say(text: string): void;
  bar(done: number, total: number): void;
}

/** A step of the list; what fails in it is told with the step's name. */
function step(
  title: string,
  work: (context: Context, progress: StepProgress) => Promise<void>,
): ListrTask<Context> {
  return {
    title,
    task: async (context, task: Step) => {
      journal.note(`── ${title}`);
      let last = '';
      const show = (text: string) => {
        // Without a terminal each change is a line of its own.
        if (text !== last) task.output = text;
        last = text;
      };
      try {
        await work(context, { say: show, bar: (done, total) => show(bar(done, total)) });
      } catch (cause) {
        if (interrupted.signal.aborted) throw interrupted.signal.reason;
        const message = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`the step "${title}" failed: ${message}`, { cause });
      }
    },
  };
}
