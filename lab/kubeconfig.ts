import { readFile, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

export interface KubeconfigContent {
  readonly cluster: string;
  readonly server: string;
  readonly user: string;
  /** PEM */
  readonly ca: string;
  /** PEM */
  readonly certificate: string;
  /** PEM */
  readonly key: string;
}

/** The text of a kubeconfig that carries all that it needs in itself. */
export function kubeconfigText({ cluster, server, user, ca, certificate, key }: KubeconfigContent): string {
  const base64 = (pem: string) => Buffer.from(pem).toString('base64');
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [
      {
        name: user,
        user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) },
      },
    ],
    contexts: [{ name: cluster, context: { cluster, user } }],
    'current-context': cluster,
  });
}

/** Writes a kubeconfig that only its owner may read, as it holds a key. */
export async function writeKubeconfig(
  path: string,
  options: { cluster: string; server: string; user: string; caFile: string; keyPair: KeyPair },
): Promise<void> {
  const { cluster, server, user, caFile, keyPair } = options;
  const [ca, certificate, key] = await Promise.all([
    readFile(caFile, 'utf8'),
    readFile(keyPair.certificate, 'utf8'),
    readFile(keyPair.key, 'utf8'),
  ]);
  await writeFile(path, kubeconfigText({ cluster, server, user, ca, certificate, key }), { mode: 0o600 });
}
