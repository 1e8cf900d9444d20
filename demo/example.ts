/** What the demo shows: nginx runs in one cluster and is reached by name from another. */
import { podAnnotations } from '../api/names.ts';
import { until } from '../lab/until.ts';
import type { Cluster } from './cluster.ts';

export const exampleUrl = 'http://nginx-svc.default.svc.hyperos.local';
/** Its address in the asking cluster, by the zone of KEP-1645. */
export const vipUrl = 'http://nginx-svc.default.svc.clusterset.local';
export const clientPod = 'toolbox';

const nginx = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: nginx, namespace: default }
spec:
  selector: { matchLabels: { app: nginx } }
  template:
    metadata: { labels: { app: nginx } }
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
metadata: { name: nginx-svc, namespace: default }
spec:
  selector: { app: nginx }
  ports: [{ port: 80 }]
`;

const nginxExport = `
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: nginx-svc, namespace: default }
`;

const client = `
apiVersion: v1
kind: Pod
metadata: { name: ${clientPod}, namespace: default }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: toolbox
      image: nauti-lab/toolbox:1
      imagePullPolicy: IfNotPresent
      command: [sleep, infinity]
`;

export async function deployNginx(cluster: Cluster): Promise<void> {
  await cluster.apply(nginx);
  await cluster.rolledOut('default', ['nginx']);
}

/** Exports the Service and waits until the hub has it. */
export async function exportNginx(cluster: Cluster): Promise<void> {
  await cluster.apply(nginxExport);
  await cluster.kubectl([
    'wait',
    'serviceexport/nginx-svc',
    '-n',
    'default',
    '--for=condition=Ready',
    '--timeout=180s',
  ]);
}

/** A pod with curl that uses nothing but its cluster's DNS. */
export async function startClient(cluster: Cluster): Promise<void> {
  await cluster.apply(client);
  await cluster.kubectl([
    'wait',
    `pod/${clientPod}`,
    '-n',
    'default',
    '--for=condition=Ready',
    '--timeout=180s',
  ]);
}

/** @returns the page, once the name answers. */
export async function curlNginx(cluster: Cluster, url = exampleUrl): Promise<string> {
  let last = '';
  return until(
    async () => {
      const command = ['curl', '--silent', '--show-error', '--fail', '--max-time', '5', url];
      const { code, stdout, stderr } = await cluster.tryKubectl([
        'exec',
        '-n',
        'default',
        clientPod,
        '--',
        ...command,
      ]);
      last = stderr.trim();
      return code === 0 && stdout;
    },
    {
      what: `an answer of ${url} in ${cluster.name}`,
      timeout: 180_000,
      interval: 250,
      signal: cluster.signal,
      detail: () => last,
    },
  );
}

/** The address on the secondary network of the first pod that the words of kubectl select, once it has one. */
export async function secondAddress(cluster: Cluster, words: readonly string[]): Promise<string> {
  return until(
    async () => {
      const text = await cluster.kubectl(['get', 'pod', ...words, '-n', 'default', '-o', 'json']);
      const found = JSON.parse(text) as PodOrList;
      const [pod] = 'items' in found ? found.items : [found];
      return pod?.metadata.annotations?.[podAnnotations.ipAddress]?.split(',')[0];
    },
    {
      what: `an address on the secondary network for ${words.join(' ')} of ${cluster.name}`,
      timeout: 180_000,
      interval: 250,
      signal: cluster.signal,
    },
  );
}

type PodFields = { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } };
type PodOrList = PodFields | { readonly items: readonly PodFields[] };

/** Whether nginx has logged a request of this address. */
export async function nginxSaw(cluster: Cluster, address: string): Promise<boolean> {
  const log = await cluster.kubectl(['logs', '-n', 'default', '-l', 'app=nginx', '--tail=200']);
  return log.split('\n').some(line => line.startsWith(`${address} `) && line.includes('curl/'));
}
