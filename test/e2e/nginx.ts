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
  await kubectl(cluster, ['rollout', 'status', '-n', namespace, `deployment/${name}`, '--timeout=90s']);
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

/** The addresses of the pods that the Service's own cluster takes as ready, sorted. */
export async function readyAddresses({ cluster, namespace, name }: Service): Promise<string[]> {
  const list = (await readJson(cluster, [
    'endpointslices',
    '-n',
    namespace,
    '-l',
    `kubernetes.io/service-name=${name}`,
  ])) as { items: { endpoints?: { addresses: string[]; conditions: { ready?: boolean } }[] | null }[] };
  return list.items
    .flatMap(slice => slice.endpoints ?? [])
    .filter(endpoint => endpoint.conditions.ready !== false)
    .flatMap(endpoint => endpoint.addresses)
    .sort();
}
