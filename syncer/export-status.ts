import { fieldManagers } from '../api/names.ts';
import { serviceExports } from '../api/resource.ts';
import { KubeError } from '../kube/client.ts';
import { asConditions, exportVerdicts, sameConditions } from './conditions.ts';
import type { HubView } from './hub-view.ts';
import type { ImportInputs } from './import-inputs.ts';
import type { LocalView } from './local-view.ts';
import { mergeExports } from './merge.ts';

export interface ExportStatusOptions {
  /** `namespace/name` */
  readonly service: string;
  readonly local: LocalView;
  readonly hub: HubView | undefined;
  readonly inputs: ImportInputs;
  readonly failure: string | undefined;
  readonly signal: AbortSignal;
}

/** Tells the export of a service how it stands, where it does not say so already. */
export async function tellExport(options: ExportStatusOptions): Promise<void> {
  const { service, local, hub, inputs, failure, signal } = options;
  const asked = local.exports.get(service);
  if (asked === undefined || asked.deleting) return;
  const verdicts = exportVerdicts({
    plan: inputs.own,
    onHub: (hub?.ownExports(service).length ?? 0) > 0,
    failure,
    complete: inputs.complete,
    merged: mergeExports(inputs.contributions.map(one => one.spec)),
    present: asked.conditions,
  });
  const conditions = asConditions(verdicts, asked.conditions, {
    now: nowInSeconds(),
    generation: asked.generation,
  });
  if (sameConditions(conditions, asked.conditions)) return;
  try {
    await local.client.apply(
      serviceExports,
      {
        metadata: { namespace: asked.namespace, name: asked.name, uid: asked.uid },
        status: { conditions },
      },
      { fieldManager: fieldManagers.syncer, force: true, subresource: 'status', signal },
    );
  } catch (error) {
    // Gone, or made anew: the cache is about to tell.
    if (error instanceof KubeError && (error.status === 404 || error.status === 409)) return;
    throw error;
  }
}

/** metav1.Time */
export function nowInSeconds(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
