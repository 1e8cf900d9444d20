/** Names and values that people's manifests and scripts rely on. Changing one breaks users. */

/** Namespace of the components. */
export const componentNamespace = 'nauti-system';
/** Share namespace on the hub, and local namespace in a member cluster. */
export const shareNamespace = 'syncer-operator';
export const defaultZone = 'hyperos.local';
export const clustersetZone = 'clusterset.local';
export const defaultGlobalCidr = '10.112.0.0/12';

/** Set on a ServiceExport while the hub holds objects of it. */
export const exportFinalizer = 'apps.nauti.io/finalizer';

/** Labels of the EndpointSlices that the hub carries. */
export const hubLabels = {
  serviceName: 'services.nauti.io/multi-cluster-service-name',
  serviceNamespace: 'services.nauti.io/multi-cluster-service-LocalNamespace',
  clusterId: 'services.nauti.io/multi-cluster-cluster-ID',
} as const;

/** Labels of KEP-1645 on the EndpointSlices of an import. */
export const mcsLabels = {
  serviceName: 'multicluster.kubernetes.io/service-name',
  sourceCluster: 'multicluster.kubernetes.io/source-cluster',
} as const;

/**
 * On an EndpointSlice that only the address of an import serves: the import's name. It is none of the import's own slices,
 * whose endpoints all clusters reach: it has the same endpoints as their own cluster reaches them.
 */
export const vipOfLabel = 'nauti.io/vip-of';
/**
 * On the same: whose endpoints they are. It has neither of {@link mcsLabels}, as others may look for the slices of an
 * import by either.
 */
export const vipClusterLabel = 'nauti.io/vip-cluster';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
/** Value of {@link managedByLabel} on every EndpointSlice that we write. */
export const managedBy = 'mcs.nauti.io';

/**
 * Annotations of a service that steer the choice between clusters. People set them on the ServiceExport;
 * they travel on the ExportedService, and as {@link routingAnnotations} on the slices of an import.
 */
export const routingAnnotations = {
  /** 0–65535, default 1; a cluster with weight 0 is drained. */
  weight: 'nauti.io/weight',
  /** 0–65535, default 0; a higher number is a fallback, used only while no lower one has a ready endpoint. */
  priority: 'nauti.io/priority',
} as const;

/**
 * On a ServiceExport: the ids of the clusters that may import it, separated by commas; absent, all may.
 * The exporting cluster itself always may.
 */
export const allowedImportersAnnotation = 'nauti.io/allowed-importers';

/**
 * On slices, RFC 3339 with milliseconds: when the change that the slice shows happened in the exporting cluster.
 * Importers measure propagation by it.
 */
export const changedAtAnnotation = 'nauti.io/changed-at';

/** Annotations that tell the hub of a cluster's joining: on its Lease, and `requestedCidr` on its ServiceAccount too. */
export const joinAnnotations = {
  /** Fingerprint of the join token that served. */
  joinedWith: 'nauti.io/joined-with',
  requestedCidr: 'nauti.io/requested-cidr',
  /** What a hub gave the cluster last; a hub that was lost does not know any more. */
  formerCidr: 'nauti.io/former-cidr',
} as const;

/**
 * Annotations of a pod on the secondary network, and of a Node, whose device `ovn0` is on it too, without
 * `pod_nic_type`. `allocated` is written last; whoever reads them waits for it.
 */
export const podAnnotations = {
  ipAddress: 'nauti.io/ip_address',
  macAddress: 'nauti.io/mac_address',
  cidr: 'nauti.io/cidr',
  gateway: 'nauti.io/gateway',
  logicalSwitch: 'nauti.io/logical_switch',
  podNicType: 'nauti.io/pod_nic_type',
  allocated: 'nauti.io/allocated',
  routes: 'nauti.io/routes',
} as const;

/**
 * Label of a node agent's pod: how it learns of the pods of its node. `nri`: the container runtime calls it; `cri`: out of
 * band, as the runtime has no NRI. Without it the agent has reached no runtime yet.
 */
export const nriModeLabel = 'nauti.io/nri-mode';
/** On a cluster's Lease on the hub: see node-agents.ts. */
export const nodeAgentsAnnotation = 'nauti.io/node-agents';

/** Label of the gateway ("CNF") pod. */
export const gatewayPodLabel = 'nauti.io/cnf';
/**
 * Label of a gateway pod that is one of several: with the value `elected` it gets an address like any pod, and the one that
 * carries the tunnels takes the gateway's address itself.
 */
export const gatewayAddressLabel = 'nauti.io/gateway-address';

/** Annotations of a Lease that one of ours holds. */
export const leaseAnnotations = {
  /** `address:port` of who holds it, where its `/readyz` is. */
  health: 'nauti.io/health',
} as const;

/**
 * What people say of a gateway, as annotations of the Node that it runs on. The gateway repeats them on its cluster's
 * Peer, where the other gateways read them.
 */
export const gatewayAnnotations = {
  /** `host`, `host:port`: where others dial this gateway, whatever else is known of it. */
  forceEndpoint: 'nauti.io/force-endpoint',
  /** An address, or address/prefix, by which clusters of the same location reach this gateway. */
  forceInternalIp: 'nauti.io/force-internal-ip',
  /** Present: a candidate to speak for its location. */
  leader: 'nauti.io/leader',
  /** Where the cluster is; beats the label `topology.kubernetes.io/region`. */
  location: 'nauti.io/location',
  /** Seconds between keepalives, 0 for none; beats the flag. */
  persistentKeepalive: 'nauti.io/persistent-keepalive',
  /** On Peers only: `full` or `location`; what the hub's Peer says counts for all. */
  granularity: 'nauti.io/granularity',
  /** On Peers only: the MTU of the cluster's tunnel device. */
  mtu: 'nauti.io/tunnel-mtu',
} as const;

/** Field managers of server-side apply, one a component. */
export const fieldManagers = {
  syncer: 'nauti-syncer',
  hub: 'nauti-hub',
  ovnController: 'nauti-ovn-controller',
  octopus: 'nauti-octopus',
  /** The hub's gateway, on the Peers of others. */
  hubGateway: 'nauti-octopus-hub',
} as const;
