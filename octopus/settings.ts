import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { type OptionValues, UsageError } from '../process/options.ts';
import type { options } from './options.ts';
import type { OwnSettings } from './own-endpoint.ts';

type Given = OptionValues<typeof options>;

/** The options, with what follows from them. */
export interface Settings extends Given {
  readonly identityText: string;
  readonly own: OwnSettings;
  readonly meshKey: Buffer | undefined;
}

const leastSecretBytes = 16;

/** @throws UsageError for options that contradict each other, or a secret that is too short to be one. */
export async function settingsOf(given: Given): Promise<Settings> {
  if (given.probeInterval < 50) {
    throw new UsageError(
      `Cannot use --probe-interval as it must be 50ms or more: current value is ${given.probeInterval}ms`,
    );
  }
  if (given.lookupInterval < 1_000) {
    throw new UsageError(
      `Cannot use --lookup-interval as it must be 1s or more: current value is ${given.lookupInterval}ms`,
    );
  }
  const port = given.endpointPort ?? given.listenPort;
  const { endpoint, isPublic } = given;
  return {
    ...given,
    identityText: given.identity ?? hostname(),
    own: {
      endpoint: endpoint && { host: endpoint.host, port: endpoint.hasPort ? endpoint.port : port },
      internalIp: given.internalIp,
      location: given.location,
      keepalive: given.keepalive,
      endpointPort: port,
      isPublic: isPublic === 'auto' ? 'auto' : isPublic === 'true',
    },
    meshKey: given.meshSecret === undefined ? undefined : await readMeshSecret(given.meshSecret),
  };
}

async function readMeshSecret(file: string): Promise<Buffer> {
  const secret = await readFile(file).catch(cause => {
    throw new UsageError(
      `Cannot use --mesh-secret-file as it must be a file that can be read: ${(cause as Error).message}`,
    );
  });
  const trimmed = Buffer.from(secret.toString('latin1').trim(), 'latin1');
  if (trimmed.length >= leastSecretBytes) return trimmed;
  throw new UsageError(
    `Cannot use --mesh-secret-file as it must hold ${leastSecretBytes} bytes at least: it holds ${trimmed.length}`,
  );
}
