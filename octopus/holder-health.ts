/** Whether the gateway that carries the tunnels lives, as the others of its cluster can see without the API server. */
import { request } from 'node:http';
import type { KubeObject } from '../api/meta.ts';
import { leaseAnnotations } from '../api/names.ts';
import { parseAddress } from '../ipam/address.ts';

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
  const host = address.includes(':') ? `[${address}]` : address;
  return { [leaseAnnotations.health]: `${host}:${port}` };
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
function readPlace(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, host = '', digits = ''] = /^\[?([0-9a-f.:]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  return parseAddress(host) === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}
