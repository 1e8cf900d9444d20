/** What `kubectl nauti status` shows of each cluster, made from the objects of the share namespace. Pure. */

import type { KubeObject } from '../api/meta.ts';
import { hubLabels, nodeAgentsAnnotation, nriModeLabel } from '../api/names.ts';
import { type NodeAgents, parseNodeAgents } from '../api/node-agents.ts';
import { type Peer, peerConditions } from '../api/peer.ts';
import { readLease } from '../kube/lease.ts';

export interface ClusterStatus {
  readonly id: string;
  /**
   * `hub`; `alive` and `silent` as the hub says it, where it has said it, else by the lease's time; `joining`: a join
   * token waits to be used; `unknown`: neither was heard of.
   */
  readonly state: 'hub' | 'alive' | 'silent' | 'joining' | 'unknown';
  /** Since its lease was renewed, in milliseconds by the clock of who asks. */
  readonly leaseAgeMs?: number;
  readonly cidrs: readonly string[];
  readonly endpoint?: string;
  readonly exports: number;
  readonly slices: number;
  /** Of a cluster with a secondary network. */
  readonly nodeAgents?: NodeAgents;
  /** What a person should know, for example why it has no CIDR. */
  readonly notes: readonly string[];
}

export interface SharedObjects {
  readonly peers: readonly Peer[];
  readonly leases: readonly KubeObject[];
  /** Ids of clusters whose join token is not used yet. */
  readonly joining: readonly string[];
  /** How many there are, by cluster id. */
  readonly exports: ReadonlyMap<string, number>;
  readonly slices: ReadonlyMap<string, number>;
}

/** @param now epoch milliseconds. @returns the hub first, then by id. */
export function clusterStatuses(objects: SharedObjects, now: number): readonly ClusterStatus[] {
  const peers = new Map(objects.peers.map(peer => [peer.spec.cluster_id, peer]));
  const leases = new Map(
    objects.leases.map(lease => [lease.metadata.labels?.[hubLabels.clusterId] ?? '', lease]),
  );
  leases.delete('');
  const ids = new Set([
    ...peers.keys(),
    ...leases.keys(),
    ...objects.joining,
    ...objects.exports.keys(),
    ...objects.slices.keys(),
  ]);
  return [...ids]
    .map(id => statusOf(id, peers.get(id), leases.get(id), objects, now))
    .sort((a, b) => Number(b.state === 'hub') - Number(a.state === 'hub') || (a.id < b.id ? -1 : 1));
}

function statusOf(
  id: string,
  peer: Peer | undefined,
  lease: KubeObject | undefined,
  objects: SharedObjects,
  now: number,
): ClusterStatus {
  const leaseAgeMs = lease && now - Date.parse(readLease(lease).renewTime ?? '');
  const endpoint = peer?.spec.endpoint;
  const agents = agentsOf(lease);
  return {
    id,
    state: stateOf(id, peer, lease, leaseAgeMs, objects),
    ...(leaseAgeMs !== undefined && !Number.isNaN(leaseAgeMs) && { leaseAgeMs }),
    cidrs: peer?.spec.cluster_cidr ?? [],
    ...(endpoint !== undefined && { endpoint: `${endpoint}${peer?.spec.port ? ` ${peer.spec.port}` : ''}` }),
    exports: objects.exports.get(id) ?? 0,
    slices: objects.slices.get(id) ?? 0,
    ...(agents.counts && { nodeAgents: agents.counts }),
    notes: [cidrNote(peer), ...agents.notes].filter(note => note !== undefined),
  };
}

/** What its lease tells of its node agents: the hub's other clusters and its people see no nodes. */
function agentsOf(lease: KubeObject | undefined): {
  readonly counts?: NodeAgents;
  readonly notes: readonly string[];
} {
  const told = lease?.metadata.annotations?.[nodeAgentsAnnotation];
  if (told === undefined) return { notes: [] };
  try {
    const counts = parseNodeAgents(told);
    return { counts, notes: agentNotes(counts) };
  } catch (error) {
    return { notes: [error instanceof Error ? error.message : String(error)] };
  }
}

function agentNotes({ nri, cri, none }: NodeAgents): string[] {
  const all = nri + cri + none;
  const notes: string[] = [];
  if (cri > 0)
    notes.push(
      `on ${cri} of ${all} nodes the agent learns of pods out of band, as their container runtime has no NRI: containers may start before their second NIC is there; "kubectl get pods -A -l ${nriModeLabel}=cri -o wide" in the cluster shows which`,
    );
  if (none > 0)
    notes.push(
      `on ${none} of ${all} nodes the agent has not reached a container runtime yet: new pods get no second NIC there`,
    );
  return notes;
}

function stateOf(
  id: string,
  peer: Peer | undefined,
  lease: KubeObject | undefined,
  leaseAgeMs: number | undefined,
  { joining }: SharedObjects,
): ClusterStatus['state'] {
  if (peer?.spec.ishub) return 'hub';
  const said = peer?.status.conditions.find(({ type }) => type === peerConditions.alive)?.status;
  if (said === 'True') return 'alive';
  if (said === 'False') return 'silent';
  if (lease !== undefined && leaseAgeMs !== undefined && !Number.isNaN(leaseAgeMs)) {
    return leaseAgeMs <= readLease(lease).durationMs ? 'alive' : 'silent';
  }
  return joining.includes(id) ? 'joining' : 'unknown';
}

/** Why a cluster has another CIDR than it asked for, or none; undefined where all is as it should be. */
export function cidrNote(peer: Peer | undefined): string | undefined {
  const cidr = peer?.status.conditions.find(({ type }) => type === peerConditions.cidrGiven);
  return cidr !== undefined && cidr.reason !== 'Given' ? cidr.message : undefined;
}
