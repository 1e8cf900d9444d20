import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pods } from '../api/resource.ts';
import { accessOf } from '../kube/access.ts';
import { ObjectCache } from '../kube/cache.ts';
import { KubeClient } from '../kube/client.ts';
import { Controller } from '../kube/controller.ts';
import { defineComponent } from '../process/component.ts';
import { together } from '../process/together.ts';
import { Announcer } from './announcer.ts';
import { removeGatewayTaint } from './gateway-taint.ts';
import { showMode } from './mode-label.ts';
import { findNetSysctl } from './net-sysctl.ts';
import { NicKeeper } from './nic-keeper.ts';
import { NodeDeviceKeeper } from './node-device-keeper.ts';
import { NodeNetwork } from './node-network.ts';
import { NodeSwitch } from './node-switch.ts';
import { NodeUnderlay } from './node-underlay.ts';
import { options } from './options.ts';
import { PodDevices } from './pod-devices.ts';
import { RuntimeLink } from './runtime-link.ts';
import { sandboxEvents } from './sandbox-events.ts';
import { readPod, samePod } from './watched-pod.ts';

export const nri = defineComponent({
  name: 'nri',
  summary: 'gives the pods of a node their second NIC',
  help: `
Runs on every node, in its network namespace, with NET_ADMIN and SYS_ADMIN.

Example, beside a containerd and an Open vSwitch of the machine:
  nauti nri --node $(hostname) --kubeconfig cluster1.kubeconfig`,
  options,
  async run(given, { log, signal, probes, metrics }) {
    const access = await accessOf(given.kubeconfig);
    using client = new KubeClient(access, { log, metrics, userAgent: 'nauti-nri' });
    const cache = new ObjectCache({
      client,
      resource: pods,
      fieldSelector: `spec.nodeName=${given.node}`,
      project: readPod,
      unchanged: samePod,
      log,
      metrics,
    });
    await using nodeSwitch = new NodeSwitch(given.bridge, {
      endpoints: [{ kind: 'unix', path: given.ovsSocket }],
      backoffMs: { first: 50, last: 1_000 },
      onState: state =>
        log.debug({ state: state.state, err: 'error' in state ? state.error : undefined }, 'OVS'),
    });
    const sysctl = await findNetSysctl(given.netSysctl, log);
    using devices = new PodDevices(given.netnsDirectory, sysctl);
    const underlay = new NodeUnderlay({ ...given, nodeSwitch, devices, log });
    const announcer = new Announcer(join(dirname(given.ovsSocket), `${given.bridge}.mgmt`), log);
    const keeper = new NicKeeper({
      pods: cache,
      nodeSwitch,
      devices,
      announcer,
      underlay,
      wait: given.wait,
      log,
      registry: metrics,
      runtime: () => link,
    });
    const network = new NodeNetwork(sysctl);
    const shared = { client, nodeSwitch, underlay, log, registry: metrics };
    const nodeDevice = new NodeDeviceKeeper({ ...given, ...shared, network });
    const link: RuntimeLink = new RuntimeLink({
      ...given,
      criSockets: given.criSocket,
      events: sandboxEvents(keeper, given.require, log),
      pods: function* () {
        for (const pod of cache.values()) if (!pod.isFinished) yield pod.key;
      },
      onMode: () => shown.enqueue('mode'),
      log,
    });
    const shown = new Controller({
      name: 'mode',
      reconcile: async (_, until) => showMode({ ...given, client, mode: link.mode }, until),
      log,
      metrics,
    });
    cache.subscribe(({ key }) => {
      keeper.podChanged(key);
      link.podChanged();
    });
    probes.ready('runtime', () => (link.isConnected ? true : 'the container runtime must be reached'));
    probes.ready('pods', () => keeper.readiness);
    probes.ready('ovs', () => nodeSwitch.readiness);
    probes.ready('underlay', () => underlay.readiness);

    await together(signal, until => [
      cache.run(until),
      keeper.run(until),
      nodeDevice.run(until),
      shown.run(until),
      (async () => {
        // Both are asked for before pods are: what is not known would look like what is not there. Neither is waited
        // for without end: pods start also while OVS or the API server is away.
        await Promise.race([
          Promise.all([nodeSwitch.synced(until), cache.synced(until)]),
          sleep(10_000, undefined, { signal: until }),
        ]);
        await link.run(until);
      })(),
      (async () => {
        if (!given.removeTaint) return;
        while (probes.failures('ready').length > 0) await sleep(500, undefined, { signal: until });
        await removeGatewayTaint(client, given.node, log, until);
      })(),
    ]);
  },
});
