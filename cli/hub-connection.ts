import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { shareNamespace } from '../api/names.ts';
import { roles } from '../api/resource.ts';
import { memberRole } from '../hub/join-objects.ts';
import { kubeconfigAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { UsageError } from '../process/options.ts';
import { namespaceName } from '../process/parsers.ts';

/** The flags by which kubectl says which cluster it speaks to, with kubectl's meaning; and the share namespace. */
export interface ConnectionFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace: string;
}

export function withConnectionFlags(command: Command): Command {
  return command
    .option('--kubeconfig <FILE>', 'kubeconfig of the hub (default: as kubectl has it)')
    .option('--context <NAME>', 'context of the kubeconfig')
    .option('-n, --namespace <NAMESPACE>', 'namespace that the clusters share on the hub', shareNamespace);
}

export interface HubConnection {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the API server as the kubeconfig has it. */
  readonly server: string;
  /** PEM; undefined where the system's roots are trusted. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
}

/** Calls `work` with a connection to the hub, and closes it. Ctrl-C ends what is under way. */
export async function withHub<T>(
  flags: ConnectionFlags,
  work: (hub: HubConnection) => Promise<T>,
): Promise<T> {
  if (namespaceName.parse(flags.namespace) === undefined) {
    throw new UsageError(
      `Cannot use --namespace as it must be ${namespaceName.expected}: current value is ${JSON.stringify(flags.namespace)}`,
    );
  }
  const access = await kubeconfigAccess(flags.kubeconfig, flags.context);
  using client = new KubeClient(access, { userAgent: 'kubectl-nauti' });
  const stop = new AbortController();
  const onInterrupt = () => stop.abort(new Error('interrupted'));
  process.once('SIGINT', onInterrupt);
  try {
    const server = access.server.href.replace(/\/$/, '');
    const { ca } = await access.tls();
    return await work({ client, namespace: flags.namespace, server, ca, signal: stop.signal });
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

/** Where member clusters reach the hub: as said here, as said at the hub's installation, else as we do. */
export async function publicUrl(
  { client, namespace, server, signal }: HubConnection,
  given: string | undefined,
): Promise<string> {
  if (given !== undefined) return given;
  const role = await client.get(roles, { namespace, name: memberRole }, { signal });
  return role?.metadata.annotations?.['nauti.io/hub-url'] ?? server;
}

/**
 * The CA that member clusters verify the hub by.
 *
 * @throws UsageError where neither flag nor kubeconfig has one.
 */
export async function publicCa({ ca }: HubConnection, file: string | undefined): Promise<string> {
  if (file !== undefined) return await readFile(file, 'utf8');
  if (ca !== undefined) return ca;
  throw new UsageError(
    "Cannot make a join token as the hub's CA must be known, and the kubeconfig has none: give it by --ca-file",
  );
}
