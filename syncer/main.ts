import { hostname } from 'node:os';
import { accessOf } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { leadWhileHolding } from '../kube/leader.ts';
import { defineComponent } from '../process/component.ts';
import { together } from '../process/together.ts';
import { openHub } from './hub-membership.ts';
import { LocalView } from './local-view.ts';
import { NodeAgentsView } from './node-agents.ts';
import { options } from './options.ts';
import { Syncer } from './syncer.ts';

/** The Lease by which the replicas choose the one that writes. */
export const leaderLease = 'nauti-syncer';

export const syncer = defineComponent({
  name: 'syncer',
  summary: 'exports Services to the hub and imports those of the other clusters',
  help: `
Runs in every member cluster. Services with a ServiceExport are published on the hub; of what all clusters publish it
makes ServiceImports, their addresses and EndpointSlices here. Several replicas may run; one of them writes.

Example, with kubeconfigs instead of a join token:
  nauti syncer --cluster-id cluster1 --kubeconfig cluster1.kubeconfig --hub-kubeconfig hub.kubeconfig`,
  options,
  async run(given, { log, signal, probes, metrics }) {
    const access = await accessOf(given.kubeconfig);
    using client = new KubeClient(access, { log, metrics });
    const { clusterId, localNamespace, addresses, clusterSetIp, concurrency } = given;
    const local = new LocalView({ client, clusterId, localNamespace, addresses, log, metrics });
    const agents = given.nodeAgents
      ? new NodeAgentsView({ client, namespace: given.namespace, log, metrics })
      : undefined;
    const leaseAnnotations = () => agents?.annotations ?? {};
    const syncer = new Syncer({ local, clusterSetIp, concurrency, leaseAnnotations, log, metrics });
    probes.ready('views', () => syncer.waitsFor ?? true);

    await together(signal, until => [
      // This cluster first and on its own: its exports reach its imports while there is no hub.
      syncer.runLocal(until),
      agents?.run(until),
      // The hub beside it. The lease there is renewed from the first moment, leader or not.
      (async () => {
        const hub = await openHub({
          options: given,
          environment: process.env,
          local: client,
          log,
          signal: until,
        });
        using _hubClient = hub.client;
        probes.ready('membership', () => hub.membership?.problem ?? true);
        await together(until, end => [syncer.runHub(hub, end), hub.membership?.run(end)]);
      })(),
      // Standbys follow both sides too, so that a new leader begins with what it knows.
      leadWhileHolding(
        {
          client,
          namespace: given.namespace,
          name: leaderLease,
          identity: given.identity ?? hostname(),
          log,
          metrics,
          signal: until,
        },
        term => syncer.lead(term),
      ),
    ]);
  },
});
