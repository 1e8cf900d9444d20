/** What does not look well in the clusters of the lab, in few lines: for somebody who has nothing but the gate's output. */
import type { KubeObject } from '../../api/meta.ts';
import { parsePeer } from '../../api/peer.ts';
import { cidrNote } from '../../cli/cluster-status.ts';
import { type Cluster, readJson, tryKubectl } from './kubectl.ts';

const clusters: readonly Cluster[] = ['hub', 'cluster1', 'cluster2'];
/** Lines of a component's log that are shown at most, and their characters. */
const [logLines, logWidth] = [4, 260];
/** Pino's number for a warning. */
const warning = 40;

interface PodFields {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly status: {
    readonly phase: string;
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly ready: boolean;
      readonly restartCount: number;
      readonly state: { readonly waiting?: { readonly reason: string } };
      readonly lastState: { readonly terminated?: { readonly reason: string; readonly finishedAt: string } };
    }[];
  };
}

export async function stateOfClusters(): Promise<string> {
  const parts = await Promise.all([...clusters.map(unhealthyPods), tunnels(), ...clusters.map(warnings)]);
  const lines = parts.flat();
  return lines.length === 0 ? 'all pods are ready, and none was started again' : lines.join('\n');
}

/** Containers that are not ready, or were started again. */
async function unhealthyPods(cluster: Cluster): Promise<string[]> {
  const lines: string[] = [];
  for (const { metadata, status } of await list<PodFields>(cluster, 'pods', '-A')) {
    for (const { name, ready, restartCount, state, lastState } of status.containerStatuses ?? []) {
      if (status.phase === 'Succeeded' || (ready && restartCount === 0)) continue;
      const ended = lastState.terminated;
      const facts = [
        ready ? 'ready' : `not ready ${state.waiting?.reason ?? ''}`,
        `${restartCount} restarts`,
        ended && `${ended.reason} ${ended.finishedAt}`,
      ];
      lines.push(
        `${cluster} ${metadata.namespace}/${metadata.name} ${name}: ${facts.filter(Boolean).join(', ')}`,
      );
    }
  }
  return lines;
}

/** What each cluster has on the hub, and its gateway says of its tunnels. */
async function tunnels(): Promise<string[]> {
  const peers = await list<KubeObject>('hub', 'peers', '-n', 'syncer-operator');
  return peers.map(parsePeer).map(peer => {
    const { metadata, spec, status } = peer;
    const note = cidrNote(peer);
    const cidrs = `${spec.cluster_cidr.join()}${note === undefined ? '' : ` (${note})`}`;
    const each = status.tunnels.map(
      ({ cluster_id, state, path, last_handshake }) =>
        `${cluster_id} ${state} ${path ?? ''} ${last_handshake ?? 'no handshake'}`,
    );
    return `tunnels of ${metadata.name}, ${cidrs}: ${each.join('; ')}`;
  });
}

/** The last warnings of the gateways and of what plugs NICs in. */
async function warnings(cluster: Cluster): Promise<string[]> {
  const lines: string[] = [];
  for (const component of ['octopus', 'nri', 'ovn-controller']) {
    const { stdout } = await tryKubectl(cluster, [
      ...['logs', '-n', 'nauti-system', '-l', `app.kubernetes.io/component=${component}`],
      ...['--all-containers', '--prefix', '--tail=300'],
    ]);
    const found = stdout.split('\n').flatMap(line => warningIn(line) ?? []);
    lines.push(...found.slice(-logLines).map(text => `${cluster} ${text}`));
  }
  return lines;
}

/** A line of kubectl, which begins with `[pod/NAME/CONTAINER]`, as something to read; undefined for what is no warning. */
function warningIn(line: string): string | undefined {
  const [, where = '', text = ''] = /^\[pod\/([^\]]+)\] (\{.*)$/.exec(line) ?? [];
  if (Number(/"level":(\d+)/.exec(text)?.[1] ?? 0) < warning) return undefined;
  const { time, msg, err } = JSON.parse(text) as { time: string; msg: string; err?: { message: string } };
  return `${where} ${time.slice(11, 19)} ${msg}${err === undefined ? '' : `: ${err.message}`}`.slice(
    0,
    logWidth,
  );
}

async function list<Item>(cluster: Cluster, ...words: readonly string[]): Promise<readonly Item[]> {
  return ((await readJson(cluster, words)) as { items: Item[] }).items;
}
