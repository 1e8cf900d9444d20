/** Whether the gateway that carries the tunnels lives, as the others of its cluster can see without the API server. */
import { request } from 'node:http';
import { isIP } from 'node:net';
import type { KubeObject } from '../api/meta.ts';
import { leaseAnnotations } from '../api/names.ts';
import { formatTarget, parseTarget, type Target } from './host-port.ts';

/**
 * What a gateway writes on the Lease that it holds: where its `/readyz` is, which fails until it could carry the tunnels.
 *
 * @param port where probes are served; undefined where they are not.
 */
export function healthAnnotations(
  podIps: readonly string[] | undefined,
  port: number | undefined,
): Readonly<Record<string, string>> {
  const [address] = podIps ?? [];
  if (address === undefined || port === undefined) return {};
  return { [leaseAnnotations.health]: formatTarget({ host: address, port }) };
}

/** Asks who holds a Lease whether it lives; one that says nothing of itself does not. */
export async function isHolderAlive({ metadata }: KubeObject, signal: AbortSignal): Promise<boolean> {
  const place = readPlace(metadata.annotations?.[leaseAnnotations.health] ?? '');
  if (place === undefined) return false;
  return await new Promise(resolve => {
    const asked = request({ ...place, path: '/readyz', agent: false, signal }, response => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.on('error', () => resolve(false));
    asked.end();
  });
}

/** An address and a port; undefined for anything else, names too. */
function readPlace(text: string): Target | undefined {
  const place = parseTarget(text, 0);
  return place === undefined || isIP(place.host) === 0 || place.port === 0 ? undefined : place;
}
