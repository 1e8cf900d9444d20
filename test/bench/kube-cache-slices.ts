import type { KubeObject } from '../../api/meta.ts';
import { serviceNameLabel } from '../../api/names.ts';
import { endpointSlices } from '../../api/resource.ts';
import { kubeconfigAccess } from '../../kube/access.ts';
import { KubeClient } from '../../kube/client.ts';

const writers = 24;

/** Creates slices as kube-controller-manager would. @returns the time that it took, in milliseconds. */
export async function storeSlices(kubeconfig: string, count: number): Promise<number> {
  const client = new KubeClient(await kubeconfigAccess(kubeconfig), { userAgent: 'bench' });
  const startedAt = performance.now();
  let next = 0;
  const write = async () => {
    while (next < count) await client.create(endpointSlices, sliceObject(next++));
  };
  await Promise.all(Array.from({ length: writers }, write));
  client.close();
  return performance.now() - startedAt;
}

/** Slice `index`: 10 pods on 10 nodes. */
export function sliceObject(index: number): KubeObject {
  const service = `service-${index}`;
  return {
    metadata: {
      namespace: 'default',
      name: `${service}-x7k2p`,
      labels: {
        [serviceNameLabel]: service,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'app.kubernetes.io/name': service,
      },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z' },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: 10 }, (_, pod) => ({
      addresses: [`10.${(index >> 8) & 255}.${index & 255}.${pod + 1}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${pod}`,
      zone: `zone-${pod % 3}`,
      targetRef: {
        kind: 'Pod',
        namespace: 'default',
        name: `${service}-6d4cf56db6-${String(pod).padStart(5, 'x')}`,
        uid: `00000000-0000-4000-8000-${String(index * 10 + pod).padStart(12, '0')}`,
      },
    })),
  };
}
