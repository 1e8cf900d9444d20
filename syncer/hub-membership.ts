import { readFile } from 'node:fs/promises';
import { kubeconfigAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { joinHub } from '../membership/join.ts';
import type { Membership } from '../membership/membership.ts';
import type { Logger } from '../process/log.ts';
import type { OptionValues } from '../process/options.ts';
import type { HubAccess } from './hub-view.ts';
import type { memberOptions } from './options.ts';

export interface HubMembership extends HubAccess {
  /** Absent where a kubeconfig was given instead. */
  readonly membership: Membership | undefined;
}

/** Read from the environment only: the arguments of a process can be read by everybody on its machine. */
const tokenVariables = ['NAUTI_BOOTSTRAP_TOKEN', 'OCTOPUS_BOOTSTRAPTOKEN'] as const;

export interface HubMembershipOptions {
  readonly options: OptionValues<typeof memberOptions>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly local: KubeClient;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Opens the hub to this cluster: by a kubeconfig where one is given, else as the member that it is or becomes.
 * Waits for as long as the hub cannot be reached.
 *
 * @throws MembershipError where only a person can help.
 */
export async function openHub(context: HubMembershipOptions): Promise<HubMembership> {
  const { options, environment, local, log, signal } = context;
  if (options.hubKubeconfig !== undefined) {
    const access = await kubeconfigAccess(options.hubKubeconfig);
    const client = new KubeClient(access, { log });
    return { client, shareNamespace: options.shareNamespace, membership: undefined };
  }
  const given = tokenVariables.map(name => environment[name]).find(text => text !== undefined && text !== '');
  const token = options.bootstrapToken ? await readFile(options.bootstrapToken, 'utf8') : given;
  const requestedCidr = environment.NAUTI_CIDR ?? environment.OCTOPUS_CIDR;
  const membership = await joinHub({
    local,
    namespace: options.namespace,
    clusterId: options.clusterId,
    bootstrapToken: token,
    hubUrl: options.hubUrl?.href.replace(/\/$/, ''),
    requestedCidr: requestedCidr === '' ? undefined : requestedCidr,
    log,
    signal,
  });
  const client = new KubeClient(membership.access, { log });
  return { client, shareNamespace: membership.shareNamespace, membership };
}
