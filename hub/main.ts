import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { accessOf } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { Controller } from '../kube/controller.ts';
import { EventRecorder } from '../kube/events.ts';
import { leadWhileHolding } from '../kube/leader.ts';
import { defineComponent, type ProcessContext } from '../process/component.ts';
import type { OptionValues } from '../process/options.ts';
import type { CidrSettings } from './cidr-choice.ts';
import { CidrTable } from './cidr-table.ts';
import { hubMetrics } from './metrics.ts';
import { options } from './options.ts';
import { ClusterWork } from './reconcile.ts';
import { World } from './world.ts';

type Options = OptionValues<typeof options>;

export const hub = defineComponent({
  name: 'hub',
  summary: 'who may join, which CIDR a cluster has, who is alive',
  help: `Runs on the hub. It makes the Peer of each cluster that joined and gives it a CIDR, ends join tokens that were
used or not used in time, says on the Peers who is alive, and removes clusters that gave no sign of life for long.

Clusters are let in, and removed at once, by people:
  kubectl nauti token create cluster1
  kubectl nauti remove cluster1`,
  options,
  run,
});

async function run(settings: Options, context: ProcessContext): Promise<void> {
  const { log, signal, probes, metrics } = context;
  const cidrChoice = cidrSettings(settings);
  const access = await accessOf(settings.kubeconfig);
  using client = new KubeClient(access, { log, userAgent: 'nauti-hub', metrics });
  const identity = `${hostname()}_${randomUUID().slice(0, 8)}`;
  const events = new EventRecorder({ client, controller: 'nauti.io/hub', instance: identity, log, metrics });
  const namespace = settings.shareNamespace;
  const world = new World(client, namespace, context);
  const measures = hubMetrics(metrics, world);
  const cidrs = new CidrTable(client, namespace);
  const work = new ClusterWork({
    ...{ client, world, namespace, cidrs, events, log },
    hubId: settings.clusterId,
    settings: cidrChoice,
    purgeAfterMs: settings.purgeAfter,
    metrics: measures,
  });
  const controller = new Controller({
    name: 'clusters',
    reconcile: work.reconcile,
    log,
    metrics,
  });
  probes.ready('caches', () => world.ready);
  const stop = new AbortController();
  const following = world.run(id => controller.enqueue(id), stop.signal);
  try {
    // A leader that has not seen everything would take clusters for dead, and their CIDRs for free.
    await world.synced(signal);
    await leadWhileHolding(
      { client, namespace: settings.namespace, name: 'nauti-hub', identity, log, metrics, signal },
      async leading => {
        measures.setUsed(cidrChoice.globals, await cidrs.allocations(world.announced(), leading));
        world.startOver();
        // What changed while another led.
        for (const id of new Set([settings.clusterId, ...world.ids()])) controller.enqueue(id);
        await controller.run(leading);
      },
    );
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop.abort();
    await following;
    await events.flush();
  }
}

function cidrSettings({ cidr, clusterPrefix, clusterPrefix6 }: Options): CidrSettings {
  return {
    globals: cidr,
    prefixOf: global => Math.max(global.prefix, global.family === 4 ? clusterPrefix : clusterPrefix6),
  };
}
