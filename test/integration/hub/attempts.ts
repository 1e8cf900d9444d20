/** What attackers of a hub try, and how it is seen that they fail. */
import { expect } from 'chai';
import { exportedServiceObject } from '../../../api/exported-service.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { componentNamespace, hubLabels, shareNamespace } from '../../../api/names.ts';
import { hubObjectName, hubServiceName } from '../../../api/object-names.ts';
import { endpointSlices, exportedServices, type Resource } from '../../../api/resource.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { refusalOf } from './hub-cluster.ts';

const namespace = shareNamespace;

export async function refused(
  request: Promise<unknown>,
  says = /may change only what is its own|spec\.clusterId must be|cannot \w+ resource/,
  status: readonly number[] = [403, 422],
): Promise<void> {
  const error = await refusalOf(request);
  expect(error.message).to.match(says);
  expect(error.status).to.be.oneOf([...status]);
}

export function own(id: string): Record<string, string> {
  return { [hubLabels.clusterId]: id };
}

export function lease(name: string, labels: Record<string, string>): KubeObject {
  return { metadata: { namespace, name, labels }, spec: { holderIdentity: 'x' } };
}

export function peer(name: string, labels: Record<string, string>): KubeObject {
  return { metadata: { namespace, name, labels }, spec: { cluster_id: name } };
}

export function elsewhere(object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, namespace: componentNamespace } };
}

export function ownObjects(id: string): [[Resource, KubeObject], [Resource, KubeObject]] {
  const exported = exportedServiceObject(namespace, {
    ...{
      clusterId: id,
      namespace: 'demo',
      name: 'web',
      exportedAt: '2025-03-01T12:00:00Z',
      type: 'ClusterSetIP',
    },
    ...{
      ports: [],
      ipFamilies: ['IPv4'],
      sessionAffinity: 'None',
      exportedLabels: {},
      exportedAnnotations: {},
    },
  });
  const slice: KubeObject = {
    metadata: {
      namespace,
      name: hubObjectName(id, 'demo', 'web-1'),
      labels: {
        ...own(id),
        'kubernetes.io/service-name': hubServiceName(id, 'demo', 'web'),
        'endpointslice.kubernetes.io/managed-by': 'mcs.nauti.io',
      },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.0.1'] }],
    ports: [{ port: 80 }],
  };
  return [
    [exportedServices, exported],
    [endpointSlices, slice],
  ];
}

export function pathOf(resource: Resource): string {
  const group = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  return `${group}/${resource.version}/namespaces/${namespace}/${resource.plural}`;
}

export async function requestToken(
  client: KubeClient,
  namespace: string,
  account: string,
  expirationSeconds = 3600,
): Promise<unknown> {
  return await client.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds } },
  });
}

/** What the API server says that one may do in a namespace, without what everybody may. */
export async function rulesOf(client: KubeClient, namespace: string): Promise<string[]> {
  const review = await client.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
    body: { spec: { namespace } },
  });
  const { resourceRules } = (review as { status: { resourceRules: Record<string, string[]>[] } }).status;
  const lines = resourceRules.flatMap(({ apiGroups = [], resources = [], resourceNames, verbs = [] }) =>
    apiGroups.flatMap(group =>
      resources.map(resource => {
        const names = resourceNames ? `[${resourceNames.join(' ')}]` : '';
        return `${resource}${group && `.${group}`}${names}: ${[...verbs].sort().join(' ')}`;
      }),
    ),
  );
  return lines
    .filter(line => !/^selfsubject\w+\.auth(orization|entication)\.k8s\.io: create$/.test(line))
    .sort();
}
