import { Command, Option } from 'commander';
import type { KubeObject } from '../api/meta.ts';
import { hubLabels } from '../api/names.ts';
import type { NodeAgents } from '../api/node-agents.ts';
import { type Peer, parsePeer } from '../api/peer.ts';
import { endpointSlices, exportedServices, leases, peers, type Resource } from '../api/resource.ts';
import { listJoinTokens } from '../hub/outstanding-tokens.ts';
import { shortDuration } from './age.ts';
import { type ClusterStatus, clusterStatuses } from './cluster-status.ts';
import { type ConnectionFlags, type HubConnection, withConnectionFlags, withHub } from './hub-connection.ts';
import { printable, renderTable } from './table.ts';

interface StatusFlags extends ConnectionFlags {
  readonly output: 'table' | 'json';
}

export function statusCommand(): Command {
  const command = new Command('status')
    .description('the clusters of the hub: who is alive, which CIDR each has, what it exports')
    .addOption(
      new Option('-o, --output <FORM>', 'table or JSON').choices(['table', 'json']).default('table'),
    );
  return withConnectionFlags(command).action(async (flags: StatusFlags) => {
    await withHub(flags, async hub => {
      const clusters = await readStatuses(hub);
      const text =
        flags.output === 'json' ? JSON.stringify(clusters, undefined, 2) : renderStatuses(clusters);
      process.stdout.write(`${text}\n`);
    });
  });
}

async function readStatuses(hub: HubConnection): Promise<readonly ClusterStatus[]> {
  const [peerObjects, leaseObjects, tokens, exports, slices] = await Promise.all([
    list(hub, peers),
    list(hub, leases),
    listJoinTokens(hub.client, hub.namespace, hub.signal),
    count(hub, exportedServices),
    count(hub, endpointSlices),
  ]);
  const objects = {
    peers: peerObjects.flatMap(readable),
    leases: leaseObjects,
    joining: tokens.map(({ id }) => id),
    ...{ exports, slices },
  };
  return clusterStatuses(objects, Date.now());
}

export function renderStatuses(clusters: readonly ClusterStatus[]): string {
  if (clusters.length === 0)
    return 'There is no cluster yet: "kubectl nauti token create <CLUSTER>" lets one join.';
  const table = renderTable(
    ['CLUSTER', 'STATE', 'LEASE', 'CIDR', 'ENDPOINT', 'NODES', 'EXPORTS', 'SLICES'],
    clusters.map(({ id, state, leaseAgeMs, cidrs, endpoint, nodeAgents, exports, slices }) => [
      id,
      state,
      leaseAgeMs === undefined ? '' : `${shortDuration(leaseAgeMs)} ago`,
      cidrs.join(','),
      endpoint ?? '',
      nodeAgents === undefined ? '' : agentsText(nodeAgents),
      ...(state === 'hub' ? ['', ''] : [String(exports), String(slices)]),
    ]),
  );
  const notes = clusters.flatMap(({ id, notes }) => notes.map(note => `${id}: ${printable(note)}`));
  return notes.length === 0 ? table : `${table}\n\n${notes.join('\n')}`;
}

/** By how their agents learn of pods, as the flag `--mode` of the agent has it. */
function agentsText(agents: NodeAgents): string {
  const told = (['nri', 'cri', 'none'] as const).filter(mode => agents[mode] > 0);
  return told.length === 0 ? '0' : told.map(mode => `${agents[mode]} ${mode}`).join(',');
}

async function list({ client, namespace, signal }: HubConnection, resource: Resource): Promise<KubeObject[]> {
  const objects: KubeObject[] = [];
  for await (const { items } of client.listPages(resource, { namespace, signal })) objects.push(...items);
  return objects;
}

async function count(
  { client, namespace, signal }: HubConnection,
  resource: Resource,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const labelSelector = hubLabels.clusterId;
  for await (const { items } of client.listPages(resource, { namespace, labelSelector, signal })) {
    for (const { metadata } of items) {
      const id = metadata.labels?.[hubLabels.clusterId] ?? '';
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return counts;
}

/** A Peer that cannot be read is told, and does not hide the others. */
function readable(object: KubeObject): Peer[] {
  try {
    return [parsePeer(object)];
  } catch (error) {
    process.stderr.write(`Warning: ${error instanceof Error ? error.message : String(error)}\n`);
    return [];
  }
}
