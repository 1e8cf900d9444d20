import { stringify } from 'yaml';
import { componentNamespace } from '../api/names.ts';
import { shortDuration } from './age.ts';

export interface Joining {
  readonly id: string;
  readonly url: string;
  readonly token: string;
  readonly expiresAt: Date;
  readonly cidr?: string | undefined;
  /** What `helm install` is to install. */
  readonly chart: string;
}

/** The values of the chart nauti-agent by which a cluster joins. */
export function joinValues({ id, url, token, cidr }: Joining): string {
  return stringify(
    {
      cluster: { clusterID: id },
      hub: { hubURL: url, bootstraptoken: token },
      ...(cidr !== undefined && { tunnel: { cidr } }),
    },
    { lineWidth: 0 },
  );
}

/**
 * What a person is told. The token goes to helm by its standard input: a command line can be read by others of the
 * machine.
 */
export function joinInstructions(joining: Joining, now: Date): string {
  const left = shortDuration(joining.expiresAt.getTime() - now.getTime() + 500);
  return `${joining.id} may join once, until ${joining.expiresAt.toISOString().slice(0, 19)}Z (${left}). Run in ${joining.id}:

helm install nauti-agent ${joining.chart} --namespace ${componentNamespace} --create-namespace --values - <<'VALUES'
${joinValues(joining)}VALUES
`;
}

/** Why clusters may not reach the hub at a URL, as far as can be told from here; undefined where nothing speaks against it. */
export function urlWarning(url: string): string | undefined {
  const host = new URL(url).hostname;
  const isLocal = host === 'localhost' || host === '[::1]' || host.startsWith('127.') || host === '0.0.0.0';
  return isLocal
    ? `${url} is reached from this machine only: give the hub's address as the clusters reach it by --hub-url`
    : undefined;
}
