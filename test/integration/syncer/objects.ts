/** What people and Kubernetes make in a member cluster, and what the tests look for in the others. */
import type { KubeObject } from '../../../api/meta.ts';
import { managedBy, managedByLabel, mcsLabels, shareNamespace } from '../../../api/names.ts';
import {
  endpointSlices,
  exportedServices,
  namespaces,
  type Resource,
  serviceExports,
  serviceImports,
  services,
} from '../../../api/resource.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/client.ts';
import { until } from '../../../lab/until.ts';

const fieldManager = 'test';

export async function makeNamespace(client: KubeClient, name: string): Promise<void> {
  await client.apply(namespaces, { metadata: { name } }, { fieldManager });
}

export interface ServiceFields {
  readonly [field: string]: unknown;
}

export async function makeService(
  client: KubeClient,
  namespace: string,
  name: string,
  spec: ServiceFields = {},
): Promise<KubeObject> {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }];
  return await client.create(services, { metadata: { namespace, name }, spec: { ports, ...spec } });
}

export async function exportService(
  client: KubeClient,
  namespace: string,
  name: string,
  { annotations, spec }: { annotations?: Record<string, string>; spec?: object } = {},
): Promise<void> {
  await client.create(serviceExports, {
    metadata: { namespace, name, ...(annotations && { annotations }) },
    ...(spec && { spec }),
  });
}

export interface SliceFields {
  readonly addressType?: 'IPv4' | 'IPv6';
  readonly endpoints: readonly object[];
  readonly ports?: readonly object[];
}

/** As the endpoint controller would. */
export async function writeSlice(
  client: KubeClient,
  namespace: string,
  service: string,
  name: string,
  { addressType = 'IPv4', endpoints, ports }: SliceFields,
): Promise<void> {
  await client.apply(
    endpointSlices,
    {
      metadata: {
        namespace,
        name,
        labels: {
          'kubernetes.io/service-name': service,
          [managedByLabel]: 'endpointslice-controller.k8s.io',
        },
      },
      addressType,
      endpoints,
      ports: ports ?? [{ name: 'http', port: 8080, protocol: 'TCP' }],
    },
    { fieldManager: 'endpoint-controller', force: true },
  );
}

export function endpoint(address: string, fields: object = {}): object {
  return { addresses: [address], conditions: { ready: true, serving: true, terminating: false }, ...fields };
}

export async function listAll(
  client: KubeClient,
  resource: Resource,
  selection: { namespace?: string; labelSelector?: string } = {},
): Promise<KubeObject[]> {
  const found: KubeObject[] = [];
  for await (const page of client.listPages(resource, selection)) found.push(...page.items);
  return found;
}

export interface ImportState {
  readonly type: string;
  readonly ips: readonly string[];
  readonly ports: readonly { name?: string; port: number; protocol: string }[];
  readonly clusters: readonly string[];
  readonly object: KubeObject;
}

export async function readImport(
  client: KubeClient,
  namespace: string,
  name: string,
): Promise<ImportState | undefined> {
  const object = await client.get(serviceImports, { namespace, name });
  if (object === undefined) return undefined;
  const { spec, status } = object as unknown as {
    spec: ImportState;
    status?: { clusters?: { cluster: string }[] };
  };
  const clusters = (status?.clusters ?? []).map(one => one.cluster);
  return { type: spec.type, ips: spec.ips ?? [], ports: spec.ports, clusters, object };
}

/** Slices of an import, in the namespace given. */
export async function importedSlices(
  client: KubeClient,
  namespace: string,
  service: string,
): Promise<KubeObject[]> {
  const labelSelector = `${managedByLabel}=${managedBy},${mcsLabels.serviceName}=${service}`;
  return await listAll(client, endpointSlices, { namespace, labelSelector });
}

/** The ready addresses that a cluster has of a service, sorted. */
export async function addressesOf(client: KubeClient, namespace: string, service: string): Promise<string[]> {
  return readyAddresses(await importedSlices(client, namespace, service));
}

export function readyAddresses(slices: readonly KubeObject[]): string[] {
  return slices
    .flatMap(slice => (slice.endpoints ?? []) as { addresses: string[]; conditions?: { ready?: boolean } }[])
    .filter(one => one.conditions?.ready !== false)
    .flatMap(one => one.addresses)
    .sort();
}

/** What a cluster has on the hub: names of its ExportedServices and slices. */
export async function namesOnHub(hub: KubeClient, clusterId: string): Promise<string[]> {
  const labelSelector = `services.nauti.io/multi-cluster-cluster-ID=${clusterId}`;
  const found = await Promise.all(
    [exportedServices, endpointSlices].map(resource =>
      listAll(hub, resource, { namespace: shareNamespace, labelSelector }),
    ),
  );
  return found
    .flat()
    .map(object => `${object.metadata.name}`)
    .sort();
}

/** `Valid=True/Valid Ready=True/Exported …` of an export or import. */
export function conditionsText(object: KubeObject | undefined): string {
  const { conditions = [] } = (object?.status ?? {}) as {
    conditions?: { type: string; status: string; reason: string }[];
  };
  return conditions.map(one => `${one.type}=${one.status}/${one.reason}`).join(' ');
}

export async function exportConditions(client: KubeClient, namespace: string, name: string): Promise<string> {
  return conditionsText(await client.get(serviceExports, { namespace, name }));
}

/** Waits until a look gives what is expected, and shows the last look where it never does. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T>,
  expected: T | ((found: T) => boolean),
  timeout = 60_000,
): Promise<T> {
  let last: T | undefined;
  const matches = (found: T) =>
    typeof expected === 'function'
      ? (expected as (found: T) => boolean)(found)
      : JSON.stringify(found) === JSON.stringify(expected);
  return await until(
    async () => {
      last = await look();
      return matches(last) ? { found: last } : undefined;
    },
    { what, timeout, interval: 25, detail: () => JSON.stringify(last) },
  ).then(({ found }) => found);
}

export async function deleteQuietly(
  client: KubeClient,
  resource: Resource,
  reference: { namespace?: string; name: string },
): Promise<void> {
  try {
    await client.delete(resource, reference);
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 404)) throw error;
  }
}

/** Waits until an import has its address. */
export function importWithVip(
  client: KubeClient,
  namespace: string,
  name: string,
): Promise<ImportState | undefined> {
  return eventually(
    'the VIP',
    () => readImport(client, namespace, name),
    found => found?.ips.length === 1,
  );
}
