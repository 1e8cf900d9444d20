import { hubLabels } from '../api/names.ts';
import { joinAccountName, leaseName, memberAccountName, peerName } from '../api/object-names.ts';
import {
  apiVersion,
  endpointSlices,
  exportedServices,
  leases,
  peers,
  type Resource,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
} from '../api/resource.ts';
import { type KubeClient, KubeError } from '../kube/client.ts';
import type { CidrTable } from './cidr-table.ts';
import { type ClusterPlace, renewalName } from './join-objects.ts';

/** The join token of a cluster as its ServiceAccount describes it. */
export interface JoinAccount {
  /** Of the ServiceAccount: another token of the same cluster has another one. */
  readonly uid: string;
  /** Name of the token's Secret, Role and RoleBinding. */
  readonly objects: string | undefined;
}

/**
 * Ends a join token. First what it may do, at once; then what it is bound to, and its ServiceAccount: the API server
 * may accept a token for up to 10 s after that. A token that was made for the cluster meanwhile is left alone.
 */
export async function endJoinToken(
  client: KubeClient,
  { namespace, id }: ClusterPlace,
  { uid, objects }: JoinAccount,
  signal: AbortSignal,
): Promise<void> {
  if (objects !== undefined) {
    for (const resource of [roleBindings, secrets, roles]) {
      await client.delete(resource, { namespace, name: objects }, { signal });
    }
  }
  try {
    const account = { namespace, name: joinAccountName(id) };
    await client.delete(serviceAccounts, account, { preconditions: { uid }, signal });
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 409)) throw error;
  }
}

/** Ends all tokens that a cluster has, and what it may do. */
export async function removeMember(
  client: KubeClient,
  { namespace, id }: ClusterPlace,
  signal: AbortSignal,
): Promise<void> {
  const account = memberAccountName(id);
  for (const name of [account, renewalName(id)]) {
    await client.delete(roleBindings, { namespace, name }, { signal });
  }
  await client.delete(serviceAccounts, { namespace, name: account }, { signal });
  await client.delete(roles, { namespace, name: renewalName(id) }, { signal });
}

/** What a removal found. */
export interface Removed {
  readonly exports: number;
  readonly slices: number;
}

/**
 * Removes a cluster and all that it told the others: first its permissions, so that it cannot write again what is
 * deleted; its Peer last, because nobody else gets its CIDR while that is announced.
 * May be called again after it was interrupted.
 */
export async function removeCluster({
  client,
  place,
  joining,
  cidrs,
  signal,
}: {
  client: KubeClient;
  place: ClusterPlace;
  joining: JoinAccount | undefined;
  cidrs: CidrTable;
  signal: AbortSignal;
}): Promise<Removed> {
  const { namespace, id } = place;
  if (joining !== undefined) await endJoinToken(client, place, joining, signal);
  await removeMember(client, place, signal);
  const removed = { exports: 0, slices: 0 };
  // Twice: a write that was allowed a moment before may arrive during the first time.
  for (let pass = 0; pass < 2; pass++) {
    removed.exports += await deleteAllOf(client, exportedServices, place, signal);
    removed.slices += await deleteAllOf(client, endpointSlices, place, signal);
    await client.delete(leases, { namespace, name: leaseName(id) }, { signal });
  }
  // The Peer still holds the CIDR until it is gone, which tells those who wait for one.
  await cidrs.release(id, signal);
  await client.delete(peers, { namespace, name: peerName(id) }, { signal });
  return removed;
}

/** @returns how many there were. */
async function deleteAllOf(
  client: KubeClient,
  resource: Resource,
  { namespace, id }: ClusterPlace,
  signal: AbortSignal,
): Promise<number> {
  const answer = await client.request({
    method: 'DELETE',
    path: `/apis/${apiVersion(resource)}/namespaces/${encodeURIComponent(namespace)}/${resource.plural}`,
    query: { labelSelector: `${hubLabels.clusterId}=${id}` },
    signal,
  });
  const items = (answer as { items?: unknown } | undefined)?.items;
  return Array.isArray(items) ? items.length : 0;
}
