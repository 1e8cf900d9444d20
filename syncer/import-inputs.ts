import { splitKey } from '../api/meta.ts';
import { importedSliceName } from '../api/object-names.ts';
import type { ExportPlan } from './export-plan.ts';
import type { HubView } from './hub-view.ts';
import type { ContributedSlice, Contribution } from './import-plan.ts';
import type { Liveness } from './liveness.ts';
import type { LocalView } from './local-view.ts';

export interface ImportInputs {
  /** What this cluster exports of the service itself. */
  readonly own: ExportPlan;
  readonly contributions: readonly Contribution[];
  /** Whether the exports of all clusters are known; else only this cluster's own is among the contributions. */
  readonly complete: boolean;
}

/**
 * Everything that an import is made of: this cluster's own export, straight from its own objects, and those of the
 * others from the hub.
 *
 * @param service `namespace/name`
 */
export function importInputs(
  service: string,
  local: LocalView,
  hub: HubView | undefined,
  livenessOf: (clusterId: string) => Liveness,
): ImportInputs {
  const own = local.exportPlan(service);
  const contributions = ownContribution(service, own, local);
  if (!hub?.hasSynced) return { own, contributions, complete: false };
  const slices = new Map<string, ContributedSlice[]>();
  for (const { clusterId, name, text, changedAt } of hub.slices.byIndex('service', service)) {
    if (text === undefined) continue;
    const slice = { name, text, ...(changedAt === undefined ? {} : { changedAt }) };
    const known = slices.get(clusterId);
    if (known === undefined) slices.set(clusterId, [slice]);
    else known.push(slice);
  }
  const others = [...hub.exportsOf(service).values()]
    .filter(one => one.clusterId !== local.clusterId)
    .map(({ spec, clusterId }) => ({
      spec,
      liveness: livenessOf(clusterId),
      slices: slices.get(clusterId) ?? [],
    }));
  return { own, contributions: [...contributions, ...others], complete: true };
}

function ownContribution(service: string, plan: ExportPlan, local: LocalView): Contribution[] {
  if (plan.kind !== 'exported') return [];
  const { namespace = '' } = splitKey(service);
  const slices = plan.slices.map(({ name, text, nearText }) => {
    const changedAt = local.changedAt(service, name);
    return {
      name: importedSliceName(local.clusterId, namespace, name),
      text,
      ...(nearText === undefined ? {} : { nearText }),
      ...(changedAt === undefined ? {} : { changedAt }),
    };
  });
  return [{ spec: plan.spec, liveness: 'alive', slices }];
}
