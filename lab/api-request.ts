/** Small questions to an API server, as its administrator, without starting a kubectl for each. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { type ControlPlaneSpec, pkiDirectory, serverUrl } from './control-plane-plan.ts';

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Milliseconds that an answer may take. */
const answerLimit = 2_000;

/** Whether the API server says that it is ready; undefined while nothing answers there. */
export async function apiServerReady(
  spec: ControlPlaneSpec,
  signal?: AbortSignal,
): Promise<boolean | undefined> {
  const answer = await ask(spec, '/readyz', signal);
  return answer === undefined ? undefined : answer.status === 200;
}

/** The object at a path such as `/api/v1/nodes/one`; undefined where there is none, or no answer. */
export async function getObject(
  spec: ControlPlaneSpec,
  path: string,
  signal?: AbortSignal,
): Promise<unknown | undefined> {
  const answer = await ask(spec, path, signal);
  return answer?.status === 200 ? JSON.parse(answer.body) : undefined;
}

async function ask(
  spec: ControlPlaneSpec,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Answer | undefined> {
  const pki = pkiDirectory(spec);
  const [ca, cert, key] = await Promise.all([
    readFile(`${pki}/ca.crt`),
    readFile(`${pki}/admin.crt`),
    readFile(`${pki}/admin.key`),
  ]);
  return new Promise(resolve => {
    const outgoing = request(
      `${serverUrl(spec)}${path}`,
      { ca, cert, key, agent: false, timeout: answerLimit, ...(signal && { signal }) },
      response => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          body += text;
        });
        response.on('error', () => resolve(undefined));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve(undefined));
    outgoing.end();
  });
}
