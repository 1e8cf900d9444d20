/** How a kind is addressed in the Kubernetes API. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

function define(group: string, version: string, kind: string, plural: string, namespaced = true): Resource {
  return { group, version, kind, plural, namespaced };
}

export const namespaces = define('', 'v1', 'Namespace', 'namespaces', false);
export const nodes = define('', 'v1', 'Node', 'nodes', false);
export const pods = define('', 'v1', 'Pod', 'pods');
export const services = define('', 'v1', 'Service', 'services');
export const secrets = define('', 'v1', 'Secret', 'secrets');
export const configMaps = define('', 'v1', 'ConfigMap', 'configmaps');
export const serviceAccounts = define('', 'v1', 'ServiceAccount', 'serviceaccounts');
export const deployments = define('apps', 'v1', 'Deployment', 'deployments');
export const statefulSets = define('apps', 'v1', 'StatefulSet', 'statefulsets');
export const daemonSets = define('apps', 'v1', 'DaemonSet', 'daemonsets');
export const certificateSigningRequests = define(
  'certificates.k8s.io',
  'v1',
  'CertificateSigningRequest',
  'certificatesigningrequests',
  false,
);
export const endpointSlices = define('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices');
export const leases = define('coordination.k8s.io', 'v1', 'Lease', 'leases');
export const events = define('events.k8s.io', 'v1', 'Event', 'events');
export const roles = define('rbac.authorization.k8s.io', 'v1', 'Role', 'roles');
export const roleBindings = define('rbac.authorization.k8s.io', 'v1', 'RoleBinding', 'rolebindings');

/** Stored version; v1alpha1 is served too. */
export const serviceExports = define('multicluster.x-k8s.io', 'v1beta1', 'ServiceExport', 'serviceexports');
export const serviceImports = define('multicluster.x-k8s.io', 'v1beta1', 'ServiceImport', 'serviceimports');
export const peers = define('octopus.io', 'v1alpha1', 'Peer', 'peers');
export const exportedServices = define('nauti.io', 'v1alpha1', 'ExportedService', 'exportedservices');

/** `v1`, `discovery.k8s.io/v1`: the `apiVersion` of its objects. */
export function apiVersion(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}
