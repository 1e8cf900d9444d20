import { shareNamespace } from '../api/names.ts';
import { kubeconfigOption } from '../kube/access.ts';
import type { OptionSet } from '../process/options.ts';
import { httpsUrl, namespaceName, path } from '../process/parsers.ts';

/** How a component of a member cluster says which cluster it serves, and where the hub is. */
export const placeOptions = {
  kubeconfig: kubeconfigOption,
  hubUrl: {
    flag: 'hub-url',
    placeholder: 'URL',
    description: "the hub's API server as this cluster reaches it; without it as the join token says",
    parser: httpsUrl,
    aliases: ['OCTOPUS_HUBURL'],
  },
  hubKubeconfig: {
    flag: 'hub-kubeconfig',
    placeholder: 'FILE',
    description: 'kubeconfig of the hub, for trials: instead of a membership',
    parser: path,
  },
  shareNamespace: {
    flag: 'share-namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace on the hub that the clusters share, with --hub-kubeconfig; a membership knows it',
    parser: namespaceName,
    default: shareNamespace,
    aliases: ['OCTOPUS_SHARENAMESPACE'],
  },
} as const satisfies OptionSet;
