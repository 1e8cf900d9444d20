import { once } from 'node:events';
import type { ProcessContext } from '../process/component.ts';
import { whenAborted } from './abort.ts';
import { Answering, type AnsweringSettings } from './answering.ts';
import { Catalog } from './catalog.ts';
import { followSettings } from './livesettings.ts';
import type { FromWorker, ToWorker } from './workermessages.ts';

/** The process of one worker: answers from what its parent tells, until told to stop or the parent is gone. */
export async function runWorker(settings: AnsweringSettings, { log, signal }: ProcessContext): Promise<void> {
  const orphaned = new AbortController();
  process.once('disconnect', () => orphaned.abort());
  const stop = AbortSignal.any([signal, orphaned.signal]);
  const [first] = (await once(process, 'message', { signal: stop })) as [ToWorker];
  if (first.kind !== 'begin') throw new Error(`Cannot begin with a message of the kind ${first.kind}`);
  const catalog = new Catalog();
  const secrets = first.secrets.map(secret => Buffer.from(secret, 'hex'));
  const answering = new Answering(settings, catalog, secrets, log);
  const { promise: told, resolve: listen } = Promise.withResolvers<void>();
  process.on('message', message => receive(message as ToWorker, catalog, answering, listen));
  await Promise.race([told, whenAborted(stop)]);
  await answering.listen(true);
  tell({ kind: 'listening' });
  const following =
    settings.settings &&
    followSettings(settings.settings, settings, {
      log,
      signal: stop,
      apply: live => answering.change(live),
    });
  await Promise.race([whenAborted(stop), following ?? whenAborted(stop)]);
  await answering.close();
  await following;
  if (process.connected) process.disconnect();
  // Without its parent it has nothing to wait for, though nobody sent a signal.
  if (!signal.aborted) process.exit(0);
}

function receive(message: ToWorker, catalog: Catalog, answering: Answering, listen: () => void): void {
  if (message.kind === 'objects') for (const [key, record] of message.objects) catalog.set(key, record);
  else if (message.kind === 'ready') answering.responder.ready = true;
  else if (message.kind === 'listen') listen();
  else if (message.kind === 'report') {
    const { connections, kept } = answering;
    tell({ kind: 'report', id: message.id, cells: answering.responder.stats.cells, connections, kept });
  }
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}
