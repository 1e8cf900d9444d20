/** Brings the lab up: the steps, in their order, each of which does only what is still to be done. */
import { Listr, type ListrTask, type ListrTaskWrapper, PRESET_TIMER } from 'listr2';
import { removeLab } from './down.ts';
import {
  applyClusterObjects,
  clusterReady,
  prepareCluster,
  startClusterControlPlane,
} from './lab-cluster.ts';
import { applyNetwork, checkAddresses } from './network.ts';
import { planNetwork } from './network-plan.ts';
import { type NodeImages, startNode } from './node.ts';
import { ensureNodeImages } from './node-image-store.ts';
import { ensurePackages } from './packages.ts';
import { foreignLab, readLabState, withLabLock, writeRecord } from './registry.ts';
import { ensureTools } from './tools.ts';
import {
  type ClusterSpec,
  describeTopology,
  type PodNetworks,
  type Topology,
  usualClusters,
} from './topology.ts';

export interface UpOptions {
  /** All clusters where not given. Others that run already stay. */
  readonly clusters?: readonly string[];
  /** `overlapping` where not given and no lab runs. */
  readonly podNetworks?: PodNetworks;
  readonly signal?: AbortSignal;
}

interface Context {
  images?: NodeImages;
}

// biome-ignore lint/suspicious/noExplicitAny: the wrapper's other parameters say how it is drawn, which no step needs.
type Step = ListrTaskWrapper<Context, any, any>;

/** What is needed before anything starts, and stays after the lab: packages, programs, images. */
export async function prepareLab(signal?: AbortSignal): Promise<NodeImages> {
  const context: Context = {};
  await runSteps(preparation(signal), context);
  if (context.images === undefined) throw new Error('unreachable: preparation ends with the images');
  return context.images;
}

/**
 * Brings up the lab, or what is missing of it.
 *
 * @throws Error that says what failed and where its log is. What has been done stays, and is not done again.
 */
export async function bringUp(options: UpOptions): Promise<Topology> {
  const { signal } = options;
  if (process.getuid?.() !== 0) throw new Error('Cannot bring up the lab as this must be done by root');
  // Names are checked before anything long begins.
  describeTopology('overlapping', options.clusters);
  const images = await prepareLab(signal);
  return withLabLock(
    async () => {
      const topology = await decideTopology(options);
      await runSteps(construction(topology, images, signal), {});
      return topology;
    },
    () => process.stderr.write('Waiting for another command that changes the lab …\n'),
  );
}

/** @throws the first error of a step, whole; beside the step's name stands only its first line. */
async function runSteps(steps: ListrTask<Context>[], context: Context): Promise<void> {
  await new Listr<Context>(steps.map(shorten), rendering).run(context).catch(error => {
    throw error instanceof Shortened ? error.cause : error;
  });
}

/** An error as it is shown beside a step; its cause is the true one. */
class Shortened extends Error {
  constructor(cause: unknown) {
    super(String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0], { cause });
  }
}

function shorten(step: ListrTask<Context>): ListrTask<Context> {
  return {
    ...step,
    task: async (context, wrapper) => {
      try {
        return await step.task(context, wrapper);
      } catch (error) {
        throw error instanceof Shortened ? error : new Shortened(error);
      }
    },
  };
}

async function decideTopology({
  clusters = usualClusters,
  podNetworks,
  signal,
}: UpOptions): Promise<Topology> {
  const state = await readLabState();
  if (state.kind === 'running') {
    if (!state.own) throw foreignLab(state.record);
    if (podNetworks !== undefined && podNetworks !== state.record.podNetworks) {
      throw new Error(
        `Cannot change the pod networks of a running lab to ${podNetworks}: current value is ${state.record.podNetworks}. Run "npm run lab -- down" first`,
      );
    }
    const topology = describeTopology(state.record.podNetworks, [...state.record.clusters, ...clusters]);
    await writeRecord(topology, state.record.since);
    return topology;
  }
  await checkAddresses();
  // Whatever is left of a lab that died would be in the way.
  await removeLab(state.kind === 'dead' ? state.record : undefined, signal);
  const topology = describeTopology(podNetworks ?? 'overlapping', clusters);
  await writeRecord(topology, new Date().toISOString());
  return topology;
}

function preparation(signal: AbortSignal | undefined): ListrTask<Context>[] {
  const progress = (step: Step) => ({
    ...(signal && { signal }),
    onProgress: (text: string) => {
      step.output = text;
    },
  });
  return [
    {
      title: 'Debian packages',
      task: async (_, step) => {
        const installed = await ensurePackages(undefined, progress(step));
        if (installed.length > 0) step.title = `Debian packages (installed ${installed.join(', ')})`;
      },
    },
    { title: 'Kubernetes tools', task: async (_, step) => void (await ensureTools(progress(step))) },
    {
      title: 'Images',
      task: async (context, step) => {
        context.images = await ensureNodeImages(progress(step));
      },
    },
  ];
}

function construction(
  topology: Topology,
  images: NodeImages,
  signal: AbortSignal | undefined,
): ListrTask<Context>[] {
  return [
    { title: 'Network', task: () => applyNetwork(planNetwork(topology)) },
    {
      title: `Clusters ${topology.clusters.map(cluster => cluster.name).join(', ')}`,
      task: (_, step) =>
        step.newListr(
          topology.clusters.map(cluster =>
            shorten({
              title: cluster.name,
              task: (_context, inner) => bringUpCluster(cluster, images, inner, signal),
            }),
          ),
          { concurrent: true, rendererOptions: { collapseSubtasks: false } },
        ),
    },
  ];
}

async function bringUpCluster(
  cluster: ClusterSpec,
  images: NodeImages,
  step: Step,
  signal: AbortSignal | undefined,
): Promise<void> {
  const say = (text: string) => {
    // Without a terminal there is nothing but lines, of all clusters, one after another.
    step.output = process.stdout.isTTY ? text : `${cluster.name}: ${text}`;
  };
  say('certificates');
  await prepareCluster(cluster);
  say('control plane and nodes starting');
  // Nodes come up beside the API server and find it as soon as it answers.
  const booted = new Map<string, number>();
  await Promise.all([
    startClusterControlPlane(cluster, signal),
    ...cluster.nodes.map(async node => {
      const when = await startNode(cluster, node, images);
      if (when !== undefined) booted.set(node.name, when);
    }),
  ]);
  say('nodes joining');
  await applyClusterObjects(cluster, signal);
  await clusterReady(cluster, booted, signal);
  step.title = `${cluster.name}: ${cluster.nodes.map(node => node.name).join(', ')} ready`;
}

const rendering = {
  // An interrupt is the caller's to handle, by the signal that it gave.
  registerSignalListeners: false,
  rendererOptions: { timer: PRESET_TIMER, collapseErrors: false, showErrorMessage: false },
  fallbackRendererOptions: { timer: PRESET_TIMER },
} as const;
