/** The manifests of ovn-controller/manifests on a real API server, and who acts by them. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubeObject } from '../../../api/meta.ts';
import {
  apiVersion,
  leases,
  type Resource,
  roleBindings,
  roles,
  serviceAccounts,
} from '../../../api/resource.ts';
import { tokenAccess } from '../../../kube/access.ts';
import { KubeClient, KubeError } from '../../../kube/client.ts';
import { until } from '../../../lab/until.ts';
import { systemNamespace, type World } from './world.ts';

const ofCluster = (group: string, kind: string, plural: string): Resource => ({
  ...{ group, version: 'v1', kind, plural },
  namespaced: false,
});

const kinds = [
  roles,
  roleBindings,
  ofCluster('rbac.authorization.k8s.io', 'ClusterRole', 'clusterroles'),
  ofCluster('rbac.authorization.k8s.io', 'ClusterRoleBinding', 'clusterrolebindings'),
  ofCluster('admissionregistration.k8s.io', 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies'),
  ofCluster(
    'admissionregistration.k8s.io',
    'ValidatingAdmissionPolicyBinding',
    'validatingadmissionpolicybindings',
  ),
];

/** The ServiceAccount that the manifests are about. */
export const controllerAccount = 'nauti-ovn-controller';

/** Installs role and policy, and waits until the policy holds. */
export async function installPermissions(world: World): Promise<void> {
  const account = { metadata: { namespace: systemNamespace, name: controllerAccount } };
  await world.admin.create(serviceAccounts, account);
  await world.admin.create(leases, { ...account, spec: {} });
  for (const file of ['role.yaml', 'admission.yaml']) {
    const text = await readFile(
      new URL(`../../../ovn-controller/manifests/${file}`, import.meta.url),
      'utf8',
    );
    for (const document of parseAllDocuments(text)) {
      const object = document.toJS() as KubeObject;
      const resource = kinds.find(
        candidate => candidate.kind === object.kind && apiVersion(candidate) === object.apiVersion,
      );
      if (resource === undefined) throw new Error(`no resource for ${object.apiVersion} ${object.kind}`);
      await world.admin.create(resource, object);
    }
  }
  await until(
    () =>
      world
        .createPod(systemNamespace, 'probe', { metadata: { annotations: { 'nauti.io/allocated': 'true' } } })
        .then(
          async () => {
            await world.deletePod(systemNamespace, 'probe');
            return false;
          },
          error => error instanceof KubeError && error.message.includes('ValidatingAdmissionPolicy'),
        ),
    { what: 'the policy being in force', timeout: 60_000, interval: 50 },
  );
}

async function tokenOf(world: World, account: string): Promise<string> {
  const answer = await world.admin.request({
    method: 'POST',
    path: `/api/v1/namespaces/${systemNamespace}/serviceaccounts/${account}/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  });
  return (answer as { status: { token: string } }).status.token;
}

/** Speaks as a ServiceAccount of the components' namespace. */
export async function clientOf(world: World, account: string): Promise<KubeClient> {
  const token = await tokenOf(world, account);
  return new KubeClient(tokenAccess({ server: world.plane.server, ca: world.plane.ca, token: () => token }));
}

/** @returns the path of a kubeconfig of a ServiceAccount, in a directory of the caller's. */
export async function kubeconfigOf(world: World, account: string, directory: string): Promise<string> {
  const path = join(directory, `${account}.kubeconfig`);
  const ca = Buffer.from(world.plane.ca).toString('base64');
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
    clusters: [{ name: 'test', cluster: { server: world.plane.server, 'certificate-authority-data': ca } }],
    users: [{ name: 'test', user: { token: await tokenOf(world, account) } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  };
  await writeFile(path, stringify(config), { mode: 0o600 });
  return path;
}
