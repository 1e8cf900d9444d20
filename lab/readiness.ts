import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { type ControlPlaneSpec, pkiDirectory, serverUrl } from './control-plane-plan.ts';

/** Whether the API server says that it is ready; undefined while nothing answers there. */
export async function apiServerReady(
  spec: ControlPlaneSpec,
  signal?: AbortSignal,
): Promise<boolean | undefined> {
  const pki = pkiDirectory(spec);
  const [ca, cert, key] = await Promise.all([
    readFile(`${pki}/ca.crt`),
    readFile(`${pki}/admin.crt`),
    readFile(`${pki}/admin.key`),
  ]);
  return new Promise(resolve => {
    const outgoing = request(
      `${serverUrl(spec)}/readyz`,
      { ca, cert, key, agent: false, timeout: 2_000, ...(signal && { signal }) },
      response => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve(undefined));
    outgoing.end();
  });
}
