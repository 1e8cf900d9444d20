import type { KubeObject } from '../api/meta.ts';
import { hubLabels, joinAnnotations } from '../api/names.ts';
import { joinAccountName, leaseName, memberAccountName, peerName } from '../api/object-names.ts';
import { leases, peers, serviceAccounts } from '../api/resource.ts';
import type { KubeClient } from '../kube/client.ts';
import { accountLabel, type ClusterPlace, tokenAnnotations } from './join-objects.ts';
import { endJoinToken, type JoinAccount, removeMember } from './removal.ts';

/** A join token that was not ended yet. */
export interface OutstandingToken {
  readonly id: string;
  readonly createdAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  readonly requestedCidr: string | undefined;
}

export async function listJoinTokens(
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly OutstandingToken[]> {
  const tokens: OutstandingToken[] = [];
  const requested = new Map<string, string>();
  for await (const page of client.listPages(serviceAccounts, {
    namespace,
    labelSelector: accountLabel,
    signal,
  })) {
    for (const { metadata } of page.items) {
      const id = metadata.labels?.[hubLabels.clusterId] ?? '';
      const cidr = metadata.annotations?.[joinAnnotations.requestedCidr];
      if (cidr !== undefined) requested.set(id, cidr);
      if (metadata.labels?.[accountLabel] !== 'join') continue;
      const createdAt = timeOf(metadata.creationTimestamp);
      const expiresAt = timeOf(metadata.annotations?.[tokenAnnotations.expiresAt]);
      tokens.push({ id, createdAt, expiresAt, requestedCidr: undefined });
    }
  }
  return tokens
    .map(token => ({ ...token, requestedCidr: requested.get(token.id) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Ends the join token of a cluster id. A cluster that never joined is forgotten with it.
 *
 * @returns false where there was none.
 */
export async function revokeJoinToken(
  client: KubeClient,
  place: ClusterPlace,
  signal: AbortSignal,
): Promise<boolean> {
  const joining = await findJoinAccount(client, place, signal);
  if (joining === undefined) return false;
  const { namespace, id } = place;
  const lease = await client.get(leases, { namespace, name: leaseName(id) }, { signal });
  const peer = await client.get(peers, { namespace, name: peerName(id) }, { signal });
  if (lease === undefined && peer === undefined) await removeMember(client, place, signal);
  await endJoinToken(client, place, joining, signal);
  return true;
}

export async function findJoinAccount(
  client: KubeClient,
  { namespace, id }: ClusterPlace,
  signal: AbortSignal,
): Promise<JoinAccount | undefined> {
  const account = await client.get(serviceAccounts, { namespace, name: joinAccountName(id) }, { signal });
  return account === undefined ? undefined : joinAccountOf(account);
}

/** Whether a cluster id is known on the hub at all. */
export async function isKnown(
  client: KubeClient,
  { namespace, id }: ClusterPlace,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await Promise.all([
    client.get(serviceAccounts, { namespace, name: memberAccountName(id) }, { signal }),
    client.get(peers, { namespace, name: peerName(id) }, { signal }),
    client.get(leases, { namespace, name: leaseName(id) }, { signal }),
  ]);
  return found.some(object => object !== undefined);
}

function joinAccountOf({ metadata }: KubeObject): JoinAccount {
  return { uid: metadata.uid ?? '', objects: metadata.annotations?.[tokenAnnotations.objects] };
}

function timeOf(text: string | undefined): Date | undefined {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? undefined : new Date(time);
}
