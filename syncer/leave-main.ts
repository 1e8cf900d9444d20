import { hostname } from 'node:os';
import { deployments } from '../api/resource.ts';
import { accessOf } from '../kube/access.ts';
import { KubeClient, KubeError } from '../kube/client.ts';
import { leadWhileHolding } from '../kube/leader.ts';
import { defineComponent } from '../process/component.ts';
import type { Logger } from '../process/log.ts';
import { duration, text } from '../process/parsers.ts';
import { openHub } from './hub-membership.ts';
import { leaveHub, leaveLocal } from './leave.ts';
import { leaderLease } from './main.ts';
import { memberOptions } from './options.ts';

const leaveOptions = {
  ...memberOptions,
  hubPatience: {
    flag: 'hub-patience',
    placeholder: 'DURATION',
    description: 'how long the hub is tried before this cluster leaves without telling it',
    parser: duration,
    default: '30s',
  },
  stopDeployment: {
    flag: 'stop-deployment',
    placeholder: 'NAME',
    description: "Deployment of the syncer in this component's namespace, which is scaled to nothing first",
    parser: text,
  },
} as const;

export const syncerLeave = defineComponent({
  name: 'syncer-leave',
  summary: 'ends what the syncer does in a cluster: before it is uninstalled, or to leave the hub',
  help: `
Removes what this cluster has on the hub, then everything that the syncer has made here: ServiceImports, their addresses
and slices, and its finalizer on ServiceExports, which stay. Where the hub cannot be reached its objects there are
removed by the hub itself, or by "kubectl nauti remove".

It waits until no syncer works any more, as that would make everything anew: stop the Deployment first, or name it by
--stop-deployment.`,
  options: leaveOptions,
  ends: true,
  async run(given, { log, signal }) {
    const access = await accessOf(given.kubeconfig);
    using local = new KubeClient(access, { log });
    if (given.stopDeployment) await stop(local, given.namespace, given.stopDeployment, signal);
    log.info('waiting until no syncer works any more');
    await leadWhileHolding(
      {
        client: local,
        namespace: given.namespace,
        name: leaderLease,
        identity: `leave-${hostname()}-${process.pid}`,
        log,
        signal,
      },
      async term => {
        await tryHub(given, local, log, term);
        await leaveLocal(local, log, term);
      },
    );
  },
});

/** Its pods end, and the one that leads gives its lease back. One that is gone already is stopped. */
async function stop(client: KubeClient, namespace: string, name: string, signal: AbortSignal): Promise<void> {
  const contentType = 'application/merge-patch+json';
  const body = { spec: { replicas: 0 } };
  try {
    await client.patch(deployments, { namespace, name }, { contentType, body, signal });
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 404)) throw error;
  }
}

async function tryHub(
  given: Parameters<typeof syncerLeave.run>[0],
  local: KubeClient,
  log: Logger,
  term: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([term, AbortSignal.timeout(given.hubPatience)]);
  try {
    const hub = await openHub({ options: given, environment: process.env, local, log, signal });
    using _hubClient = hub.client;
    const removed = await leaveHub(hub, given.clusterId, signal);
    log.info({ removed }, 'left the hub');
  } catch (error) {
    term.throwIfAborted();
    log.warn({ err: error }, 'cannot tell the hub, leaving without it');
  }
}
