import type { ExportView, SourceService } from './views.ts';

/** A ServiceExport `demo/web`. */
export const asked: ExportView = {
  namespace: 'demo',
  name: 'web',
  uid: 'uid-1',
  resourceVersion: '7',
  generation: 1,
  createdAt: '2026-05-01T12:00:00Z',
  deleting: false,
  finalizers: [],
  exportedLabels: { tier: 'front' },
  exportedAnnotations: {},
  steering: {},
  conditions: [],
};

/** Its Service. */
export function service(fields: Partial<SourceService['spec']> = {}): SourceService {
  return {
    kind: 'source',
    spec: {
      type: 'ClusterIP',
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      clusterIP: '10.96.1.1',
      ipFamilies: ['IPv4'],
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      publishNotReadyAddresses: false,
      ...fields,
    },
  };
}
