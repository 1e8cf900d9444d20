import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { leaseName, peerName } from '../api/object-names.ts';
import { parsePeer } from '../api/peer.ts';
import { leases, peers } from '../api/resource.ts';
import { CidrTable } from '../hub/cidr-table.ts';
import { findJoinAccount, isKnown } from '../hub/outstanding-tokens.ts';
import { removeCluster } from '../hub/removal.ts';
import { readLease } from '../kube/lease.ts';
import { shortDuration } from './age.ts';
import { clusterArgument } from './arguments.ts';
import { type ConnectionFlags, type HubConnection, withConnectionFlags, withHub } from './hub-connection.ts';

interface RemoveFlags extends ConnectionFlags {
  readonly yes?: true;
}

/** A cluster that renewed its lease within this time is taken for alive, in milliseconds. */
const aliveMs = 60_000;

export function removeCommand(): Command {
  const command = new Command('remove')
    .description('removes a cluster at once: its tokens, its exports and endpoints, its peer and its CIDR')
    .addArgument(clusterArgument())
    .option('-y, --yes', 'also if the cluster is alive, without a question');
  return withConnectionFlags(command).action(remove);
}

async function remove(id: string, flags: RemoveFlags): Promise<void> {
  await withHub(flags, async hub => {
    const place = { namespace: hub.namespace, id };
    if (!(await isKnown(hub.client, place, hub.signal))) {
      process.stderr.write(
        `Cannot remove ${id} as it must be a cluster of the hub: "kubectl nauti status" lists them\n`,
      );
      process.exitCode = 1;
      return;
    }
    const refusal = (await whyHub(hub, id)) ?? (flags.yes ? undefined : await whyAlive(hub, id));
    if (refusal !== undefined) {
      process.stderr.write(`${refusal}\n`);
      process.exitCode = 1;
      return;
    }
    const removed = await removeCluster({
      client: hub.client,
      place,
      joining: await findJoinAccount(hub.client, place, hub.signal),
      cidrs: new CidrTable(hub.client, hub.namespace),
      signal: hub.signal,
    });
    process.stdout.write(
      `${id} removed, with ${removed.exports} exports and ${removed.slices} endpoint slices\n`,
    );
  });
}

async function whyHub({ client, namespace, signal }: HubConnection, id: string): Promise<string | undefined> {
  const peer = await client.get(peers, { namespace, name: peerName(id) }, { signal });
  if (peer === undefined || !parsePeer(peer).spec.ishub) return undefined;
  return `Cannot remove ${id} as it must not be the hub itself: "helm uninstall nauti" does that`;
}

/** Asks where somebody can answer. @returns why it is not removed; undefined where it may be. */
async function whyAlive(
  { client, namespace, signal }: HubConnection,
  id: string,
): Promise<string | undefined> {
  const lease = await client.get(leases, { namespace, name: leaseName(id) }, { signal });
  const age = Date.now() - Date.parse((lease && readLease(lease).renewTime) ?? '');
  if (Number.isNaN(age) || age > aliveMs) return undefined;
  const alive = `${id} is alive: it renewed its lease ${shortDuration(age)} ago`;
  if (!process.stdin.isTTY)
    return `Cannot remove ${id} as --yes must be given for a cluster that lives: ${alive}`;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await prompt.question(`${alive}. Type its id to remove it all the same: `, { signal });
    return answer.trim() === id ? undefined : `${id} is not removed`;
  } finally {
    prompt.close();
  }
}
