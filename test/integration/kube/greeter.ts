import { splitKey } from '../../../api/meta.ts';
import { configMaps } from '../../../api/resource.ts';
import { ObjectCache } from '../../../kube/cache.ts';
import { KubeClient } from '../../../kube/client.ts';
import type { ClusterAccess } from '../../../kube/cluster-access.ts';
import { Controller } from '../../../kube/controller.ts';
import { leadWhileHolding } from '../../../kube/leader.ts';
import type { Logger } from '../../../process/log.ts';

/** Writes a greeting into every ConfigMap with the label `greet`, until the signal is aborted. */
export async function greet(access: ClusterAccess, identity: string, log: Logger, signal: AbortSignal) {
  const client = new KubeClient(access, { log, userAgent: 'greeter' });
  const cache = new ObjectCache({
    client,
    resource: configMaps,
    labelSelector: 'greet',
    // Of each object only this is kept.
    project: object => ({
      wanted: `hello ${object.metadata.labels?.greet}`,
      found: (object.data as Record<string, string> | undefined)?.greeting,
    }),
    log,
  });
  const controller = new Controller({
    name: 'greeter',
    log,
    async reconcile(key, signal) {
      const greeting = cache.get(key);
      if (greeting === undefined || greeting.found === greeting.wanted) return;
      const object = { metadata: splitKey(key), data: { greeting: greeting.wanted } };
      await client.apply(configMaps, object, { fieldManager: 'greeter', force: true, signal });
    },
  });
  cache.subscribe(({ key }) => controller.enqueue(key));
  const following = cache.run(signal);
  // Who has not seen everything decides nothing.
  await cache.synced(signal);
  // Changes that come while another leads wait in the queue.
  const seat = { client, namespace: 'default', name: 'greeter', identity, log, signal };
  await leadWhileHolding(seat, term => controller.run(term));
  await following;
  client.close();
}
