import { exportFinalizer, fieldManagers } from '../api/names.ts';
import { endpointSlices, exportedServices, serviceExports } from '../api/resource.ts';
import { KubeError } from '../kube/client.ts';
import type { Reconcile } from '../kube/controller.ts';
import { atMost } from './at-most.ts';
import { type HubChanges, planHubChanges } from './export-plan.ts';
import type { HubView } from './hub-view.ts';
import type { LocalView } from './local-view.ts';
import { type ExportView, isFinalized } from './views.ts';

export interface ExportReconcileOptions {
  readonly local: LocalView;
  readonly hub: () => HubView | undefined;
  /** Told what the hub refused, or undefined when it takes it. */
  readonly report: (service: string, failure: string | undefined) => void;
}

/** Requests to the hub at once for one service. */
const parallelWrites = 4;
/** Time for the cache to see what another wrote, in milliseconds. */
const conflictDelayMs = 20;

/**
 * Makes the hub have of one Service what this cluster exports: finalizer first, so that nothing is left behind, then
 * the ExportedService, so that no importer sees slices without it, then the slices; in the opposite order back.
 */
export function exportReconcile({ local, hub: currentHub, report }: ExportReconcileOptions): Reconcile {
  return async (service, signal) => {
    const hub = currentHub();
    // A hub of which not everything is known is not written to; all services are visited when it is.
    if (!hub?.hasSynced || !local.hasSynced) return;
    const plan = local.exportPlan(service);
    const asked = local.exports.get(service);
    try {
      if (plan.kind === 'exported' && asked !== undefined && !isFinalized(asked)) {
        await setFinalizer(local, asked, true, signal);
      }
      const changes = planHubChanges(plan, {
        shareNamespace: hub.shareNamespace,
        clusterId: hub.clusterId,
        exports: hub.ownExports(service),
        slices: hub.ownSlices(service),
        changedAt: name => local.changedAt(service, name),
      });
      await writeToHub(hub, changes, signal);
      report(service, undefined);
      const done = plan.kind === 'withdrawn' || plan.kind === 'refused';
      if (done && asked !== undefined && isFinalized(asked)) await setFinalizer(local, asked, false, signal);
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      // Somebody changed the export meanwhile; the cache is about to tell.
      if (error.status === 409) return { requeueAfter: conflictDelayMs };
      if (error.status === 403 || error.status === 422) report(service, error.message);
      throw error;
    }
    return undefined;
  };
}

async function writeToHub(hub: HubView, changes: HubChanges, signal: AbortSignal): Promise<void> {
  const { client, shareNamespace: namespace } = hub;
  const options = { fieldManager: fieldManagers.syncer, force: true, signal };
  const { exportedService, slices } = changes.apply;
  if (exportedService !== undefined) await client.apply(exportedServices, exportedService, options);
  await atMost(parallelWrites, slices, slice => client.apply(endpointSlices, slice, options));
  await atMost(parallelWrites, changes.remove.slices, name =>
    client.delete(endpointSlices, { namespace, name }, { signal }),
  );
  await atMost(parallelWrites, changes.remove.exportedServices, name =>
    client.delete(exportedServices, { namespace, name }, { signal }),
  );
}

/** @throws KubeError 409 where the export has changed since it was read, 404 where it is gone. */
async function setFinalizer(
  local: LocalView,
  asked: ExportView,
  wanted: boolean,
  signal: AbortSignal,
): Promise<void> {
  const others = asked.finalizers.filter(one => one !== exportFinalizer);
  try {
    await local.client.patch(
      serviceExports,
      { namespace: asked.namespace, name: asked.name },
      {
        contentType: 'application/merge-patch+json',
        body: {
          metadata: {
            uid: asked.uid,
            resourceVersion: asked.resourceVersion,
            finalizers: wanted ? [...others, exportFinalizer] : others,
          },
        },
        fieldManager: fieldManagers.syncer,
        signal,
      },
    );
  } catch (error) {
    // It is gone: there is nothing to hold any more, and the cache is about to tell.
    if (error instanceof KubeError && error.status === 404 && !wanted) return;
    throw error;
  }
}
