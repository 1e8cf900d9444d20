/**
 * `npm run demo`: three real clusters on this machine whose pods have the same addresses, one of them behind a NAT; Nauti in
 * them, and a service of one curled by name from another, through a tunnel.
 * Each step does only what is still to be done: an interrupted run goes on where it was.
 */
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Listr, type ListrTask, type ListrTaskWrapper, PRESET_TIMER } from 'listr2';
import { serverUrl } from '../lab/control-plane-plan.ts';
import { checkout } from '../lab/tools.ts';
import { allNodes, clusterNamed, type Topology } from '../lab/topology.ts';
import { until } from '../lab/until.ts';
import { bringUp } from '../lab/up.ts';
import { bar } from './bar.ts';
import { Cluster } from './cluster.ts';
import {
  clientPod,
  curlNginx,
  deployNginx,
  exampleUrl,
  exportNginx,
  nginxSaw,
  secondAddress,
  startClient,
  vipUrl,
} from './example.ts';
import { buildNautiImage, loadNautiImage, type NautiImage } from './image.ts';
import { forwardClusterDns, installHub, joinCluster } from './install.ts';
import { Journal } from './journal.ts';
import { farewell, suggestions } from './next-commands.ts';
import { directTunnel } from './tunnel.ts';

interface Context {
  image?: NautiImage;
  page?: string;
  /** Addresses on the secondary network. */
  nginx?: string;
  client?: string;
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
  say('The lab: three clusters on this machine, with the same pod addresses; cluster2 is behind a NAT');
  const topology = await bringUp({ podNetworks: 'overlapping', signal: interrupted.signal });
  say('\nNauti in it');
  const context: Context = {};
  await new Listr<Context>(steps(topology), {
    rendererOptions: { timer: PRESET_TIMER, collapseErrors: false, showErrorMessage: false },
    fallbackRendererOptions: { timer: PRESET_TIMER },
  }).run(context);
  say(`\n${context.page?.trim()}`);
  say(`\nThat is ${exampleUrl}, from a pod of cluster2.`);
  say(
    `nginx of cluster1 is ${context.nginx} there, and has logged the pod's own address, ${context.client}.`,
  );
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
    step('Join token, and helm install nauti-agent, in cluster1 and cluster2', async (context, progress) => {
      const seen = [first, second].map(() => ({ ready: 0, wanted: 0 }));
      const join = (member: Cluster, index: number) =>
        joinCluster(member, {
          ...{ hub, url, image: imageOf(context) },
          onProgress: (ready, wanted) => {
            seen[index] = { ready, wanted };
            progress.bar(sum(seen.map(one => one.ready)), sum(seen.map(one => one.wanted)));
          },
        });
      await Promise.all([first, second].map(join));
    }),
    step('CoreDNS of both clusters forwards hyperos.local and clusterset.local', async () => {
      await Promise.all([first, second].map(forwardClusterDns));
    }),
    step(
      'nginx and its ServiceExport in cluster1, a pod with curl in cluster2',
      async (context, progress) => {
        await Promise.all([deployNginx(first).then(() => exportNginx(first)), startClient(second)]);
        context.nginx = await secondAddress(first, ['-l', 'app=nginx']);
        context.client = await secondAddress(second, [clientPod]);
        progress.say(
          `their addresses on the network of all clusters: ${context.nginx} and ${context.client}`,
        );
      },
    ),
    step('WireGuard between the clusters, from behind the NAT', async (_, progress) => {
      const { endpoint, rtt_min_us = 0 } = await directTunnel(hub, 'cluster2', 'cluster1');
      const trip = (rtt_min_us / 1000).toFixed(1);
      progress.say(`cluster2 has dialled cluster1 at ${endpoint}; the best round trip took ${trip} ms`);
    }),
    step(`curl ${exampleUrl} in that pod`, async (context, progress) => {
      context.page = await curlNginx(second);
      const { client = '' } = context;
      await until(() => nginxSaw(first, client), {
        what: `nginx logging a request of ${client}`,
        timeout: 180_000,
        signal: interrupted.signal,
      });
      progress.say(`nginx has logged a request of ${client}`);
    }),
    step(`curl ${vipUrl}, by the address that cluster2 gave it`, async () => {
      await curlNginx(second, vipUrl);
    }),
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
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
    rendererOptions: { persistentOutput: true },
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
