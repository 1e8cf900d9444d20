import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { KubeObject } from '../../api/meta.ts';
import type { Resource } from '../../api/resource.ts';
import type { KubeClient } from '../../kube/client.ts';
import { until } from '../../lab/until.ts';

export const customResourceDefinitions: Resource = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

const folder = new URL('../../api/crds/', import.meta.url);

/** Installs the project's CRDs into an API server, and waits until it serves them. */
export async function installCrds(client: KubeClient): Promise<void> {
  const crds = readdirSync(folder).map(
    file => parse(readFileSync(new URL(file, folder), 'utf8')) as KubeObject,
  );
  for (const crd of crds) await client.create(customResourceDefinitions, crd);
  for (const crd of crds) {
    const name = crd.metadata.name ?? '';
    await until(async () => isEstablished(await client.get(customResourceDefinitions, { name })), {
      what: `${name} being served`,
      timeout: 60_000,
      interval: 50,
    });
  }
}

function isEstablished(crd: KubeObject | undefined): boolean {
  const status = crd?.status as { conditions?: { type: string; status: string }[] } | undefined;
  return status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
}
