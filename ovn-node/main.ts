import { setTimeout as sleep } from 'node:timers/promises';
import { ovnSignerPrefix } from '../api/certificate-signers.ts';
import type { KubeObject } from '../api/meta.ts';
import {
  certificateSigningRequests,
  daemonSets,
  deployments,
  pods,
  type Resource,
  statefulSets,
} from '../api/resource.ts';
import { accessOf } from '../kube/access.ts';
import { KubeClient, KubeError } from '../kube/client.ts';
import { defineComponent } from '../process/component.ts';
import { options } from './options.ts';
import { isEverywhere, remaining, unready } from './progress.ts';

const interval = 500;
/** No node has it, so a DaemonSet that selects it has no pods. */
const nowhere = { 'nauti.io/none': 'true' };

export const ovnLeave = defineComponent({
  name: 'ovn-leave',
  summary: 'takes OVN off the nodes of a cluster: before it is uninstalled',
  help: `
Ends what works with Open vSwitch, waits for its pods to end, then lets the pods of a DaemonSet clean their nodes, and waits
for them. Nodes that do not answer are named and left as they are; see the chart's README for how to clean one later.`,
  options,
  ends: true,
  async run(given, { log, signal }) {
    const { namespace, patience } = given;
    const access = await accessOf(given.kubeconfig);
    using client = new KubeClient(access, { log });
    const list = async (labelSelector: string) => {
      const found: KubeObject[] = [];
      for await (const page of client.listPages(pods, { namespace, labelSelector, signal }))
        found.push(...page.items);
      return found;
    };
    /** @returns whether it came to hold within the patience. */
    const wait = async (holds: () => Promise<boolean>) => {
      const deadline = performance.now() + patience;
      while (performance.now() < deadline) {
        if (await holds()) return true;
        await sleep(interval, undefined, { signal });
      }
      return false;
    };
    const patch = async (resource: Resource, name: string, spec: object) => {
      const contentType = 'application/merge-patch+json';
      try {
        await client.patch(resource, { namespace, name }, { contentType, body: { spec }, signal });
      } catch (error) {
        // What is gone already has been stopped.
        if (!(error instanceof KubeError && error.status === 404)) throw error;
      }
    };
    // First who writes to the others, so that nothing is made anew.
    for (const name of given.stopDeployment) await patch(deployments, name, { replicas: 0 });
    for (const name of given.stopDaemonSet)
      await patch(daemonSets, name, { template: { spec: { nodeSelector: nowhere } } });
    for (const name of given.stopStatefulSet) await patch(statefulSets, name, { replicas: 0 });
    if (!(await wait(async () => (await list(given.pods)).length === 0)))
      log.warn(
        { pods: remaining(await list(given.pods)) },
        'pods have not ended, going on without their nodes',
      );

    for await (const { items } of client.listPages(certificateSigningRequests, { signal })) {
      const ours = items.filter(({ spec }) =>
        String((spec as { signerName?: string }).signerName).startsWith(ovnSignerPrefix),
      );
      for (const { metadata } of ours)
        await client.delete(certificateSigningRequests, { name: metadata.name ?? '' }, { signal });
    }

    const clean = { namespace, name: given.cleanDaemonSet };
    await patch(daemonSets, given.cleanDaemonSet, { template: { spec: { nodeSelector: null } } });
    const isClean = await wait(async () => {
      const object = await client.get(daemonSets, clean, { signal });
      return object === undefined || isEverywhere(object);
    });
    const found = await client.get(daemonSets, clean, { signal });
    const labels = (found?.spec as { selector?: { matchLabels?: Record<string, string> } })?.selector
      ?.matchLabels;
    const selector = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
    if (isClean) log.info('all nodes are clean');
    else log.warn({ nodes: unready(await list(selector.join(','))) }, 'nodes have not been cleaned');
  },
});
