import { defineComponent, type ProcessContext } from '../process/component.ts';
import { whenAborted } from './abort.ts';
import { Answering, type AnsweringSettings } from './answering.ts';
import { Catalog } from './catalog.ts';
import { Feed } from './feed.ts';
import { followSettings } from './livesettings.ts';
import { registerGauge, registerQueryMetrics } from './metrics.ts';
import { options } from './options.ts';

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

async function run(settings: AnsweringSettings, context: ProcessContext): Promise<void> {
  const { log, signal, probes, metrics } = context;
  const catalog = new Catalog();
  const answering = await Answering.open(settings, catalog, log);
  const feed = await Feed.open(settings, catalog, log);
  feed.registerMetrics(metrics);
  registerGauge(metrics, 'nauti_dns_tcp_connections', 'Open TCP connections.', () => answering.connections);
  registerGauge(
    metrics,
    'nauti_dns_tcp_kept_bytes',
    'Queries and answers kept for TCP clients.',
    () => answering.kept,
  );
  const zones = settings.zone.map(zone => zone.name);
  registerQueryMetrics(metrics, zones, () => answering.responder.stats);
  probes.ready('data', () => answering.responder.ready || `not read yet: ${feed.missing.join(', ')}`);
  probes.ready('stopping', () => !signal.aborted || 'was told to stop');

  // Before the data is there, so that an address that cannot be had ends the process at once.
  await answering.listen(false);
  const stopFeed = new AbortController();
  const work = Promise.all([
    feed.run(stopFeed.signal, () => {
      answering.responder.ready = true;
    }),
    settings.settings &&
      followSettings(settings.settings, settings, {
        log,
        signal: stopFeed.signal,
        apply: live => answering.change(live),
      }),
  ]);
  try {
    // Work that ends before it is asked to has failed.
    await Promise.race([work, whenAborted(signal)]);
    if (signal.aborted) await lameduck(settings.lameduck);
  } finally {
    // Answering ends before the data does.
    await answering.close();
    stopFeed.abort();
    await work;
  }
}

/** Others take a while to notice that we are no longer ready; until then they send us queries. */
function lameduck(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
