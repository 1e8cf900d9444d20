import { objectKey, splitKey } from '../api/meta.ts';
import type { Reconcile } from '../kube/controller.ts';
import { atMost } from './at-most.ts';
import { tellExport } from './export-status.ts';
import type { HubView } from './hub-view.ts';
import { type ImportInputs, importInputs } from './import-inputs.ts';
import { hasVip, type ImportPlan, type ImportTarget, planImport } from './import-plan.ts';
import { ImportWriter, type SliceOutcome, type VipOutcome } from './import-writer.ts';
import type { Liveness } from './liveness.ts';
import type { LocalView } from './local-view.ts';

export interface ImportReconcileOptions {
  readonly local: LocalView;
  readonly hub: () => HubView | undefined;
  readonly livenessOf: (clusterId: string) => Liveness;
  /** Whether imports get a VIP. */
  readonly clusterSetIp: boolean;
  /** What the hub refused an export of this cluster for. */
  readonly failureOf: (service: string) => string | undefined;
  /** Told of every slice of the service that came from the hub, once it stands here. */
  readonly onSlice: (outcome: SliceOutcome) => void;
}

/**
 * Makes this cluster have of one service what the clusters export: import, VIP, slices, and the conditions of its own
 * export. All that other clusters export is known from the hub; while it is not, what was made of it stays, and only
 * what this cluster itself exports follows its changes.
 */
export function importReconcile(options: ImportReconcileOptions): Reconcile {
  const { local, hub: currentHub, livenessOf, clusterSetIp } = options;
  return async (service, signal) => {
    if (!local.hasSynced) return;
    const hub = currentHub();
    const { namespace = '', name } = splitKey(service);
    const target: ImportTarget = {
      namespace,
      name,
      clusterId: local.clusterId,
      localNamespace: local.localNamespace,
      namespaceExists: local.namespaces.get(namespace) === true,
      clusterSetIp,
    };
    const inputs = importInputs(service, local, hub, livenessOf);
    // What cannot be read must not look like an export that is gone.
    if (inputs.own.kind !== 'unreadable') {
      const writer = new ImportWriter({ local, target, service, signal, onSlice: options.onSlice });
      await makeImport(writer, planImport(target, inputs.contributions), local, target, inputs);
    }
    await tellExport({ service, local, hub, inputs, failure: options.failureOf(service), signal });
  };
}

async function makeImport(
  writer: ImportWriter,
  plan: ImportPlan,
  local: LocalView,
  target: ImportTarget,
  { complete }: ImportInputs,
): Promise<void> {
  const service = objectKey(target.namespace, target.name);
  if (!complete && hasForeignParts(local, service)) {
    await writer.writeSlices(plan, writer.owner());
    await writer.removeSlices(plan, slice => slice.clusterId === target.clusterId);
    return;
  }
  const { merged } = plan;
  if (merged === undefined || !target.namespaceExists) {
    await writer.writeSlices(plan, undefined);
    await writer.removeSlices(plan, () => true);
    await writer.removeImport();
    return;
  }
  const ensureVip = () => (hasVip(target, merged) ? writer.ensureVip(merged) : undefined);
  let vip: VipOutcome | undefined;
  if (writer.owner() === undefined) {
    vip = await ensureVip();
    await writer.ensureImport(merged, vip?.derived);
    await writer.writeSlices(plan, writer.owner());
  } else {
    // Endpoints are what clients wait for. Both have ended before anything else is done, or the next visit of the
    // service could be overtaken by a write of this one.
    await atMost(2, ['slices', 'vip'], async what => {
      if (what === 'slices') await writer.writeSlices(plan, writer.owner());
      else vip = await ensureVip();
    });
    await writer.ensureImport(merged, vip?.derived);
  }
  await writer.removeSlices(plan, () => true);
  if (!hasVip(target, merged)) await writer.removeVip();
  await writer.ensureStatus(plan, merged, vip);
}

/** Whether something here was made of what other clusters export. */
function hasForeignParts(local: LocalView, service: string): boolean {
  const isForeign = (clusterId: string) => clusterId !== local.clusterId;
  return (
    (local.imports.get(service)?.clusterIds.some(isForeign) ?? false) ||
    local.importedSlices(service).some(slice => isForeign(slice.clusterId))
  );
}
