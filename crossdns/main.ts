import { defineComponent, type ProcessContext } from '../process/component.ts';
import { whenAborted } from './abort.ts';
import { openAnswerers, registerAnswerers } from './answerers.ts';
import { type AnsweringSettings, readSecrets } from './answering.ts';
import { Catalog } from './catalog.ts';
import { Feed } from './feed.ts';
import { options } from './options.ts';
import { runWorker } from './worker.ts';
import { workerVariable } from './workermessages.ts';

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
  if (process.env[workerVariable] !== undefined) return runWorker(settings, context);
  const { log, signal, probes, metrics } = context;
  const catalog = new Catalog();
  const feed = await Feed.open(settings, catalog, log);
  const secrets = await readSecrets(settings.cookieSecretFile);
  const answerers = openAnswerers(settings, catalog, secrets, log);
  let hasData = false;
  feed.registerMetrics(metrics);
  registerAnswerers(metrics, settings, answerers);
  probes.ready('data', () => hasData || `not read yet: ${feed.missing.join(', ')}`);
  probes.ready('sockets', () => answerers.listening || 'not all listen');
  probes.ready('stopping', () => !signal.aborted || 'was told to stop');

  // Before the data is there, so that an address that cannot be had ends the process at once.
  await answerers.start();
  const stopWork = new AbortController();
  const onData = () => {
    hasData = true;
    answerers.ready();
  };
  const work = Promise.all([feed.run(stopWork.signal, onData), answerers.run(stopWork.signal)]);
  try {
    // Work that ends before it is asked to has failed.
    await Promise.race([work, whenAborted(signal)]);
    if (signal.aborted) await lameduck(settings.lameduck);
  } finally {
    // Answering ends before the data does.
    await answerers.close();
    stopWork.abort();
    await work;
  }
}

/** Others take a while to notice that we are no longer ready; until then they send us queries. */
function lameduck(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
