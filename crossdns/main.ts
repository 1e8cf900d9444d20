import { defineComponent, type ProcessContext } from '../process/component.ts';
import type { Logger } from '../process/log.ts';
import type { OptionValues } from '../process/options.ts';
import { whenAborted } from './abort.ts';
import { Catalog } from './catalog.ts';
import type { DnsListener } from './listener.ts';
import { options } from './options.ts';
import { Responder } from './responder.ts';
import { ServiceIndex } from './serviceindex.ts';
import { openSource } from './sources/open.ts';
import { loadSyscalls, type Syscalls } from './syscalls.ts';
import { defaultTcpLimits, listenTcp } from './tcp.ts';
import { listenUdp } from './udp.ts';
import { Zone } from './zone.ts';

type Options = OptionValues<typeof options>;

export const crossdns = defineComponent({
  name: 'crossdns',
  summary: 'DNS server for the services of all clusters',
  help: `Answers <service>.<namespace>.svc.<zone> from ServiceImports and EndpointSlices, over UDP and TCP.

Try it without a cluster, from a directory of manifests:
  nauti crossdns --source crossdns/examples --listen 127.0.0.1:5300 --zone hyperos.local --cluster-id cluster1
  dig @127.0.0.1 -p 5300 nginx-svc.default.svc.hyperos.local`,
  options,
  run,
});

async function run(settings: Options, context: ProcessContext): Promise<void> {
  const { log, signal, probes } = context;
  const catalog = new Catalog();
  const responder = new Responder(openZones(settings, catalog), { udpSize: settings.udpSize });
  const sources = await Promise.all(
    settings.source.map(source =>
      openSource(source, settings.kubeconfig, { catalog, localNamespace: settings.localNamespace, log }),
    ),
  );
  for (const source of sources) {
    probes.ready(source.name, () => source.synced || 'has not been read yet');
  }
  // Before the sources are read, so that an address that cannot be had ends the process at once.
  const listeners = await listenAll(settings, responder, context);
  const stopSources = new AbortController();
  const running = Promise.all(sources.map(source => source.run(stopSources.signal)));
  try {
    const stopped = whenAborted(signal);
    await Promise.race([running, stopped, becomeReady()]);
    // A source that ends before it is asked to has failed.
    await Promise.race([running, stopped]);
  } finally {
    // Answering ends before the data does.
    await Promise.all(listeners.map(listener => listener.close()));
    stopSources.abort();
    await running;
  }

  async function becomeReady(): Promise<void> {
    await Promise.all(sources.map(source => source.untilSynced(stopSources.signal)));
    responder.ready = true;
    log.info({ services: catalog.size }, 'all sources read, answering');
  }
}

/** Zones that follow the catalog. */
function openZones(settings: Options, catalog: Catalog): Zone[] {
  const index = new ServiceIndex(catalog);
  const { ttl, negativeTtl } = settings;
  const zones = settings.zone.map(
    ({ name, form }, i) =>
      new Zone(
        {
          name,
          form,
          ttl: Math.floor(ttl / 1000),
          negativeTtl: Math.floor(negativeTtl / 1000),
          locality: { cluster: settings.clusterId, zone: settings.topologyZone },
          nameServers: settings.nameServerAddress,
        },
        i,
        index,
      ),
  );
  catalog.subscribe(() => {
    for (const zone of zones) zone.touch();
  });
  return zones;
}

async function listenAll(
  settings: Options,
  responder: Responder,
  { log }: ProcessContext,
): Promise<DnsListener[]> {
  const syscalls = findSyscalls(settings, log);
  const listeners: DnsListener[] = [];
  for (const address of settings.listen) {
    const udp = await listenUdp(address, { responder, log, syscalls });
    listeners.push(udp, await listenTcp(udp.address, responder, defaultTcpLimits, log));
    log.info({ address: udp.address, zones: settings.zone }, 'listening');
  }
  return listeners;
}

function findSyscalls(settings: Options, log: Logger): Syscalls | undefined {
  if (settings.udpIo === 'node') return undefined;
  const found = loadSyscalls();
  if (!('missing' in found)) return found;
  log.info({ reason: found.missing }, 'no batches of datagrams, each goes through Node');
  return undefined;
}
