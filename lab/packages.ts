/** Debian packages that the lab's programs come from, and their installation where they are missing. */
import { run, tryRun } from './command.ts';

/** What the lab runs on the machine, besides its own tools. */
export const labPackages: readonly string[] = [
  'buildah',
  'conntrack',
  'containernetworking-plugins',
  'debian-archive-keyring',
  'ethtool',
  'iproute2',
  'iptables',
  'mmdebstrap',
  'mount',
  'nftables',
  'openssl',
  'procps',
  'runc',
  'socat',
];

/**
 * Installs the packages that are missing, and nothing else.
 *
 * @returns the names of those that were installed.
 * @throws Error where the machine has no apt, or apt fails.
 */
export async function ensurePackages(
  names: readonly string[] = labPackages,
  options: { signal?: AbortSignal; onProgress?: (text: string) => void } = {},
): Promise<string[]> {
  const { signal, onProgress } = options;
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders.
  const format = '--showformat=${Package} ${db:Status-Status}\\n';
  const query = await tryRun('dpkg-query', ['--show', format, ...names]);
  if (query.code === 127) {
    throw new Error(`Cannot install ${names.join(', ')} as the machine must have Debian's packages`);
  }
  const missing = missingPackages(names, query.stdout);
  if (missing.length === 0) return [];
  const commandOptions = { env: { DEBIAN_FRONTEND: 'noninteractive' }, ...(signal && { signal }) };
  onProgress?.(`apt-get update, for ${missing.join(', ')}`);
  await run('apt-get', ['update', '-q'], commandOptions);
  onProgress?.(`apt-get install ${missing.join(' ')}`);
  await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...missing], commandOptions);
  return missing;
}

/** @param status lines of `package state`, as dpkg-query prints them; packages it never heard of are not in it. */
export function missingPackages(names: readonly string[], status: string): string[] {
  const installed = new Set(
    status.split('\n').flatMap(line => (line.endsWith(' installed') ? [line.split(' ')[0]] : [])),
  );
  return names.filter(name => !installed.has(name));
}
