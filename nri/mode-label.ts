import { nriModeLabel } from '../api/names.ts';
import { pods } from '../api/resource.ts';
import type { KubeClient } from '../kube/client.ts';
import type { RuntimeMode } from './metrics.ts';

/**
 * Shows by a label of the agent's own pod how it learns of pods, so that nobody needs to read its log or its metrics for
 * that: the syncer counts the labels, and `kubectl nauti status` tells of them on the hub. Does nothing where the mode was
 * not chosen yet, or the process does not know its pod.
 *
 * @throws KubeError
 */
export async function showMode(
  {
    client,
    namespace,
    pod,
    mode,
  }: {
    readonly client: KubeClient;
    readonly namespace: string;
    readonly pod: string | undefined;
    readonly mode: RuntimeMode;
  },
  signal: AbortSignal,
): Promise<void> {
  if (mode === 'none' || pod === undefined) return;
  const body = { metadata: { labels: { [nriModeLabel]: mode } } };
  const contentType = 'application/merge-patch+json';
  await client.patch(pods, { namespace, name: pod }, { contentType, body, signal });
}
