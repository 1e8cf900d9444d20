import type { KubeObject } from '../api/meta.ts';
import {
  exportFinalizer,
  fieldManagers,
  hubLabels,
  managedBy,
  managedByLabel,
  mcsLabels,
  vipOfLabel,
} from '../api/names.ts';
import { leaseName } from '../api/object-names.ts';
import {
  endpointSlices,
  exportedServices,
  leases,
  type Resource,
  serviceExports,
  serviceImports,
  services,
} from '../api/resource.ts';
import { type KubeClient, KubeError } from '../kube/client.ts';
import type { Logger } from '../process/log.ts';
import { atMost } from './at-most.ts';
import type { HubAccess } from './hub-view.ts';
import { ownerLabel } from './views.ts';

/** Requests at once. */
const parallelWrites = 8;

/** Everything that a cluster has on the hub, its lease last: until then it lives. */
export async function leaveHub(
  { client, shareNamespace: namespace }: HubAccess,
  clusterId: string,
  signal: AbortSignal,
): Promise<number> {
  const labelSelector = `${hubLabels.clusterId}=${clusterId}`;
  let removed = 0;
  for (const resource of [endpointSlices, exportedServices]) {
    removed += await deleteAll(client, resource, { namespace, labelSelector }, signal);
  }
  await client.delete(leases, { namespace, name: leaseName(clusterId) }, { signal });
  return removed;
}

/** Everything that syncers have made in this cluster. ServiceExports are people's: they stay, and are let go of. */
export async function leaveLocal(client: KubeClient, log: Logger, signal: AbortSignal): Promise<void> {
  const released = await releaseExports(client, signal);
  let slices = 0;
  for (const label of [mcsLabels.sourceCluster, vipOfLabel]) {
    const labelSelector = `${managedByLabel}=${managedBy},${label}`;
    slices += await deleteAll(client, endpointSlices, { labelSelector }, signal);
  }
  const ours = `${ownerLabel}=${managedBy}`;
  const vips = await deleteAll(
    client,
    services,
    { labelSelector: `${ours},${mcsLabels.serviceName}` },
    signal,
  );
  const imports = await deleteAll(client, serviceImports, { labelSelector: ours }, signal);
  log.info({ released, slices, vips, imports }, 'left this cluster');
}

async function releaseExports(client: KubeClient, signal: AbortSignal): Promise<number> {
  let released = 0;
  for await (const page of client.listPages(serviceExports, { signal })) {
    const held = page.items.filter(one => one.metadata.finalizers?.includes(exportFinalizer));
    await atMost(parallelWrites, held, one => release(client, one, signal));
    released += held.length;
  }
  return released;
}

/** @throws KubeError 409 where somebody changes the export at the same time: trying again helps. */
async function release(client: KubeClient, { metadata }: KubeObject, signal: AbortSignal): Promise<void> {
  const { namespace = '', name = '', uid, resourceVersion, finalizers = [] } = metadata;
  const others = finalizers.filter(one => one !== exportFinalizer);
  try {
    await client.patch(
      serviceExports,
      { namespace, name },
      {
        contentType: 'application/merge-patch+json',
        body: { metadata: { uid, resourceVersion, finalizers: others } },
        fieldManager: fieldManagers.syncer,
        signal,
      },
    );
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 404)) throw error;
  }
}

async function deleteAll(
  client: KubeClient,
  resource: Resource,
  selection: { readonly namespace?: string; readonly labelSelector: string },
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0;
  for await (const page of client.listPages(resource, { ...selection, signal })) {
    await atMost(parallelWrites, page.items, ({ metadata: { namespace = '', name = '', uid } }) =>
      client.delete(
        resource,
        { namespace, name },
        { ...(uid && { preconditions: { uid } }), propagationPolicy: 'Background', signal },
      ),
    );
    deleted += page.items.length;
  }
  return deleted;
}
