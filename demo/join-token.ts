import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { shareNamespace } from '../api/names.ts';
import { createJoinToken as create } from '../hub/join-token.ts';
import { kubeconfigAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import type { Cluster } from './cluster.ts';
export async function createJoinToken(hub: Cluster, id: string): Promise<string> {
  const k = parse(await readFile(hub.kubeconfig, 'utf8'));
  const ca = Buffer.from(k.clusters[0].cluster['certificate-authority-data'], 'base64').toString();
  const client = new KubeClient(await kubeconfigAccess(hub.kubeconfig));
  try {
    const t = await create({
      client,
      place: { id, namespace: shareNamespace } as never,
      ttlMs: 900_000,
      url: k.clusters[0].cluster.server,
      ca,
      signal: hub.signal,
    });
    return t.text;
  } finally {
    client.close();
  }
}
