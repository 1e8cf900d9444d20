/** Reading from API objects whether a node is ready. Pure. */

/**
 * Whether a Node says that it is ready, and that after a given time.
 *
 * The condition outlives the node by most of a minute, so that after a boot the Lease must tell that it is news.
 *
 * @param node the Node, as the API returned it, or undefined.
 * @param lease the Lease of the same name in kube-node-lease, or undefined.
 * @param since milliseconds since the epoch, on the clock that the node has too.
 */
export function isReady(node: unknown, lease: unknown, since?: number): boolean {
  if (readyCondition(node) !== 'True') return false;
  if (since === undefined) return true;
  const renewed = Date.parse((lease as LeaseParts | undefined)?.spec?.renewTime ?? '');
  const heartbeat = Date.parse(condition(node)?.lastHeartbeatTime ?? '');
  // Heartbeats are cut to seconds.
  return renewed > since && heartbeat >= Math.floor(since / 1000) * 1000;
}

/** `True`, `False` or `Unknown`. */
function readyCondition(node: unknown): string {
  return condition(node)?.status ?? 'Unknown';
}

interface NodeParts {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastHeartbeatTime?: string;
    }[];
  };
}

interface LeaseParts {
  readonly spec?: { readonly renewTime?: string };
}

function condition(node: unknown) {
  return (node as NodeParts | undefined)?.status?.conditions?.find(({ type }) => type === 'Ready');
}
