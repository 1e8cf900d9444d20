import { accessOf } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { defineComponent } from '../process/component.ts';
import { together } from '../process/together.ts';
import { carryWhileActive } from './active-gateway.ts';
import { clusterDeviceIsThere } from './cluster-device.ts';
import { findHub } from './find-hub.ts';
import { Gateway } from './gateway.ts';
import { healthAnnotations, isHolderAlive } from './holder-health.ts';
import { options } from './options.ts';
import { OwnNode } from './own-node.ts';
import { settingsOf } from './settings.ts';
import { WatchedService } from './watched-service.ts';

export const octopus = defineComponent({
  name: 'octopus',
  summary: 'WireGuard gateway: carries the secondary network between the clusters',
  help: `
Runs in every member cluster with a secondary network, and on the hub with --hub true. Needs NET_ADMIN, and /dev/net/tun
where the kernel has no WireGuard. Two may run in a cluster; one of them carries the tunnels.

  nauti octopus --cluster-id cluster1 --endpoint gw.cluster1.example.com:31820
  nauti octopus showconf --cluster-id cluster1 --hub-kubeconfig hub.kubeconfig
  nauti octopus graph --hub-kubeconfig hub.kubeconfig --format svg > clusters.svg`,
  options,
  async run(given, { log, signal, probes, probesPort, metrics }) {
    const settings = await settingsOf(given);
    const access = await accessOf(given.kubeconfig);
    using local = new KubeClient(access, { log, metrics });
    let gateway: Gateway | undefined;
    // Ready is who could take over: a standby has no tunnels, and a Service must not send to it, which the Lease sees to.
    probes.ready('hub', () => gateway?.readiness ?? 'this cluster must have joined the hub');
    const hub = await findHub(settings, local, { log, metrics }, signal);
    if (hub === undefined) return;
    const node = new OwnNode({ client: local, name: given.nodeName, log });
    const { namespace, service: name } = settings;
    const service = new WatchedService({ client: local, namespace, name, log });
    const { shareNamespace } = hub;
    using hubClient = hub.client;
    const own = new Gateway({
      settings,
      local,
      hub: hubClient,
      shareNamespace,
      node: () => node.current,
      log,
      registry: metrics,
    });
    gateway = own;
    node.subscribe(() => own.nodeChanged());
    service.subscribe(() => own.setBalancer(service.balancer));

    await together(signal, until => [
      hub.run(until),
      node.run(until),
      service.run(until),
      own.follow(until),
      (async () => {
        // Who knows nothing must not take over from one that does.
        const { clusterAddress, clusterDevice } = settings;
        await Promise.all([
          own.prepared(until),
          node.synced(until),
          service.synced(until),
          clusterAddress === 'manage' ? clusterDeviceIsThere(clusterDevice, log, until) : undefined,
        ]);
        await carryWhileActive({
          lease: {
            client: local,
            namespace: settings.namespace,
            name: settings.lease,
            identity: settings.identityText,
            leaseDurationMs: settings.leaseDuration,
            renewDeadlineMs: settings.leaseDuration * 0.9,
            // Who stands by looks more often than who leads writes: what it saw late it waits for longer.
            retryMs: settings.leaseDuration * 0.17,
            renewMs: settings.leaseDuration * 0.25,
            annotations: healthAnnotations(settings.podIps, probesPort),
            isAlive: isHolderAlive,
            graceMs: settings.leaseDuration * 8,
            log,
            metrics,
            signal: until,
          },
          carry: term => own.carry(term),
          isHeard: () => own.isHeard,
          onDoubt: isDoubtful => own.setDoubtful(isDoubtful),
          clear: () => own.clear(),
          leftovers: () => own.leftovers(),
          log,
        });
      })(),
    ]);
  },
});
