import { hostname } from 'node:os';
import { accessOf } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { leadWhileHolding } from '../kube/leader.ts';
import { defineComponent } from '../process/component.ts';
import { UsageError } from '../process/options.ts';
import { together } from '../process/together.ts';
import { OvnController } from './controller.ts';
import { findNetwork } from './find-network.ts';
import { Northbound } from './northbound.ts';
import { options } from './options.ts';
import { tlsOf } from './ovn-tls.ts';

/** The Lease by which the replicas choose the one that writes. */
export const leaderLease = 'nauti-ovn-controller';

export const ovnController = defineComponent({
  name: 'ovn-controller',
  summary: 'gives every pod an address and a logical switch port in OVN',
  help: `
Runs in every member cluster with a secondary network. Several replicas may run; one of them writes.

Example, with OVN's own socket and CIDRs instead of a hub:
  nauti ovn-controller --kubeconfig cluster1.kubeconfig --cidr 10.113.0.0/16 --global-cidr 10.112.0.0/12`,
  options,
  async run(given, { log, signal, probes, metrics }) {
    const tls = tlsOf(given);
    if (given.cidr.length === 0 && given.clusterId === undefined) {
      throw new UsageError(
        'Cannot start as --cidr or --cluster-id must be given: without a CIDR the hub is asked for the cluster',
      );
    }
    const access = await accessOf(given.kubeconfig);
    using client = new KubeClient(access, { log, metrics });
    const identity = given.identity ?? hostname();
    const { source, run: followSource } = findNetwork({ given, client, log });
    await using northbound = new Northbound({
      endpoints: given.ovnNb,
      ...(tls === undefined ? {} : { tls }),
      onState: state =>
        log.debug({ state: state.state, err: 'error' in state ? state.error : undefined }, 'OVN'),
    });
    const controller = new OvnController({
      ...given,
      client,
      northbound,
      source,
      identity,
      quarantineMs: given.addressQuarantine,
      log,
      registry: metrics,
    });
    probes.ready('world', () => controller.readiness);
    probes.ready('network', () => (controller.knowsNetwork ? true : (source.problem ?? 'it must be known')));

    await together(signal, until => [
      followSource(until),
      controller.follow(until),
      (async () => {
        // A standby that knows everything takes over at once; one that does not must not lead.
        await controller.prepared(until);
        await leadWhileHolding(
          {
            client,
            namespace: given.namespace,
            name: leaderLease,
            identity,
            leaseDurationMs: given.leaseDuration,
            renewDeadlineMs: given.leaseDuration * 0.7,
            // Who stands by looks more often than who leads writes.
            // However long the lease is: one that is given back is taken at once.
            retryMs: Math.min(given.leaseDuration * 0.14, 2_000),
            renewMs: given.leaseDuration * 0.25,
            log,
            metrics,
            signal: until,
          },
          term => controller.lead(term),
        );
      })(),
    ]);
  },
});
