/** `nauti octopus showconf` and `nauti octopus graph`: what the Peers on the hub amount to. */

import { shareNamespace } from '../api/names.ts';
import { UnreadableError } from '../api/parse.ts';
import type { Peer } from '../api/peer.ts';
import { peers as peerResource } from '../api/resource.ts';
import { kubeconfigAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import type { OptionValues } from '../process/options.ts';
import { clusterId, integer, namespaceName, oneOf, path } from '../process/parsers.ts';
import { type Acceptance, acceptPeers } from './accepted-peers.ts';
import { renderDot, renderSvg } from './graph.ts';
import { options } from './options.ts';
import { viewPeer } from './peer-view.ts';
import { planFromHub, renderConf } from './showconf.ts';

const common = {
  hubKubeconfig: {
    flag: 'hub-kubeconfig',
    placeholder: 'FILE',
    description: 'kubeconfig of the hub; without it $KUBECONFIG or ~/.kube/config',
    parser: path,
  },
  shareNamespace: {
    flag: 'share-namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace on the hub that the clusters share',
    parser: namespaceName,
    default: shareNamespace,
  },
  maxPeers: {
    flag: 'max-peers',
    placeholder: 'N',
    description: 'clusters that are believed at most, beside the hub',
    parser: integer(1, 10_000),
    default: '512',
  },
  granularity: options.granularity,
} as const;

const showconfOptions = {
  ...common,
  clusterId: { ...options.clusterId, flag: 'cluster-id' },
  keepalive: options.keepalive,
  relay: options.relay,
} as const;

const graphOptions = {
  ...common,
  format: {
    flag: 'format',
    placeholder: 'dot|svg',
    description: 'DOT for graphviz, or a picture',
    parser: oneOf('dot', 'svg'),
    default: 'dot',
  },
  clusterId: {
    flag: 'cluster-id',
    placeholder: 'ID',
    description: 'as whom Peers are judged; the hub where it is not given',
    parser: clusterId,
    default: 'hub',
  },
} as const;

async function acceptanceOf(given: {
  readonly hubKubeconfig: string | undefined;
  readonly shareNamespace: string;
  readonly maxPeers: number;
  readonly clusterId: string;
}): Promise<Acceptance> {
  using client = new KubeClient(await kubeconfigAccess(given.hubKubeconfig));
  const known: Peer[] = [];
  for await (const { items } of client.listPages(peerResource, { namespace: given.shareNamespace })) {
    for (const item of items) {
      try {
        known.push(viewPeer(item));
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error;
        process.stderr.write(`${error.message}\n`);
      }
    }
  }
  const acceptance = acceptPeers(known, { self: given.clusterId, maxPeers: given.maxPeers });
  for (const { id, message } of acceptance.refused) process.stderr.write(`${id}: ${message}\n`);
  return acceptance;
}

export const showconfTool = {
  summary: "shows a cluster's tunnels as a configuration of WireGuard, without secrets",
  usage: '',
  options: showconfOptions,
  async run(_: readonly string[], given: OptionValues<typeof showconfOptions>): Promise<number> {
    const acceptance = await acceptanceOf(given);
    if (!acceptance.sites.has(given.clusterId)) {
      process.stderr.write(
        `Cannot show the tunnels of ${given.clusterId} as there must be a Peer of it that is accepted\n`,
      );
      return 1;
    }
    const plan = planFromHub(given.clusterId, acceptance, given.granularity, {
      ...given,
      device: 'wg0',
      clusterDevice: 'eth-ovn',
      listenPort: acceptance.sites.get(given.clusterId)?.public?.port ?? 31_820,
      probePort: 31_821,
      underlayMtu: 1_500,
      managesClusterAddress: false,
    });
    process.stdout.write(renderConf(plan));
    return 0;
  },
};

export const graphTool = {
  summary: 'draws the clusters and their tunnels',
  usage: '',
  options: graphOptions,
  async run(_: readonly string[], given: OptionValues<typeof graphOptions>): Promise<number> {
    const acceptance = await acceptanceOf(given);
    process.stdout.write(
      given.format === 'svg'
        ? renderSvg(acceptance, given.granularity)
        : renderDot(acceptance, given.granularity),
    );
    return 0;
  },
};
