import type { ProcessContext } from '../process/component.ts';
import type { Logger } from '../process/log.ts';
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
  const catalog = new Catalog();
  const { promise: told, resolve: listen } = Promise.withResolvers<Answering>();
  let answering: Answering | undefined;
  // One handler from the first message on: several may come at once, and none may be missed.
  process.on('message', message => {
    const said = message as ToWorker;
    if (said.kind === 'begin') {
      const secrets = said.secrets.map(secret => Buffer.from(secret, 'hex'));
      answering = new Answering(settings, catalog, secrets, log);
    } else if (said.kind === 'objects') {
      for (const [key, record] of said.objects) catalog.set(key, record);
    } else if (answering !== undefined) receive(said, answering, listen);
  });
  const server = await Promise.race([told, whenAborted(stop)]);
  if (server !== undefined) await serve(server, settings, log, stop);
  if (process.connected) process.disconnect();
  // Without its parent it has nothing to wait for, though nobody sent a signal.
  if (!signal.aborted) process.exit(0);
}

async function serve(
  answering: Answering,
  settings: AnsweringSettings,
  log: Logger,
  stop: AbortSignal,
): Promise<void> {
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
}

function receive(
  said: Extract<ToWorker, { kind: 'ready' | 'listen' | 'report' }>,
  answering: Answering,
  listen: (answering: Answering) => void,
): void {
  if (said.kind === 'ready') answering.responder.ready = true;
  else if (said.kind === 'listen') listen(answering);
  else {
    const { connections, kept } = answering;
    tell({ kind: 'report', id: said.id, cells: answering.responder.stats.cells, connections, kept });
  }
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}
