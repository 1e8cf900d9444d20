import { apply, type Cluster, kubectl, readJson } from './kubectl.ts';

export interface Service {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly name: string;
}

/** A Deployment of nginx with a Service before it. */
export async function deployNginx({ cluster, namespace, name }: Service, replicas: number): Promise<void> {
  await apply(
    cluster,
    `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: nginx
          image: nauti-lab/nginx:1
          imagePullPolicy: IfNotPresent
          ports: [{ containerPort: 80 }]
          readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80 }]
`,
  );
  await kubectl(cluster, ['rollout', 'status', '-n', namespace, `deployment/${name}`, '--timeout=110s']);
}

export function exportService({ cluster, namespace, name }: Service): Promise<string> {
  return apply(
    cluster,
    `
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: ${name}, namespace: ${namespace} }
`,
  );
}

export async function scale({ cluster, namespace, name }: Service, replicas: number): Promise<void> {
  await kubectl(cluster, ['scale', '-n', namespace, `deployment/${name}`, `--replicas=${replicas}`]);
}

/** The secondary IPv4 addresses of the pods that the Service's own cluster takes as ready, sorted. */
export async function readyAddresses({ cluster, namespace, name }: Service): Promise<string[]> {
  const selector = ['-n', namespace, '-l', `kubernetes.io/service-name=${name}`];
  const [slices, pods] = (await Promise.all([
    readJson(cluster, ['endpointslices', ...selector]),
    readJson(cluster, ['pods', '-n', namespace]),
  ])) as [{ items: SliceFields[] }, { items: PodFields[] }];
  const addresses = new Map(
    pods.items.map(({ metadata }) => [
      metadata.name,
      metadata.annotations?.['nauti.io/ip_address']?.split(',').find(address => !address.includes(':')),
    ]),
  );
  return slices.items
    .flatMap(slice => slice.endpoints ?? [])
    .filter(endpoint => endpoint.conditions.ready !== false)
    .flatMap(endpoint => addresses.get(endpoint.targetRef?.name ?? '') ?? [])
    .sort();
}

interface SliceFields {
  readonly endpoints?:
    | { readonly conditions: { readonly ready?: boolean }; readonly targetRef?: { readonly name: string } }[]
    | null;
}

interface PodFields {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
}
