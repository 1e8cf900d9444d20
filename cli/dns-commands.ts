import { Command } from 'commander';
import type { KubeObject } from '../api/meta.ts';
import { clustersetZone, componentNamespace, defaultZone } from '../api/names.ts';
import { configMaps, services } from '../api/resource.ts';
import { type DnsChange, type DnsConfig, dnsConfigMaps, planDns } from '../crossdns/corefile.ts';
import { kubeconfigAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { UsageError } from '../process/options.ts';

interface DnsFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly zone: readonly string[];
  readonly dryRun?: true;
}

interface EnableFlags extends DnsFlags {
  readonly address?: string;
}

const systemNamespace = 'kube-system';
const crossdnsService = 'nauti-crossdns';
/** A ConfigMap comes to a pod within a minute, and CoreDNS looks for a changed Corefile every 30 s. */
const whenSeen = `Where the Corefile has "reload", as most have, the cluster's DNS sees it within two minutes. At once:
  kubectl -n kube-system rollout restart deployment/coredns
`;

/** `kubectl nauti dns enable|disable`: the cluster's own DNS forwards the zones to crossdns, or no longer. */
export function dnsCommand(): Command {
  const enable = new Command('enable')
    .description("lets the cluster's DNS forward the zones to crossdns")
    .option(
      '--address <ADDRESS>',
      `address of crossdns (default: of the Service ${crossdnsService} in ${componentNamespace})`,
    )
    .action((flags: EnableFlags) => change(flags, client => addressOf(client, flags.address)));
  const disable = new Command('disable')
    .description('takes out what enable put in; all else stays as it is')
    .action((flags: DnsFlags) => change(flags, async () => undefined));
  const command = new Command('dns').description(
    'CoreDNS of kubeadm, k3s and RKE2, kube-dns of GKE, NodeLocal DNS; what is not understood is not touched',
  );
  for (const each of [enable, disable]) {
    command.addCommand(
      each
        .option('--kubeconfig <FILE>', 'kubeconfig of the cluster (default: as kubectl has it)')
        .option('--context <NAME>', 'context of the kubeconfig')
        .option('--zone <ZONE...>', 'zones', [defaultZone, clustersetZone])
        .option('--dry-run', 'only shows what would change'),
    );
  }
  return command;
}

async function change(
  flags: DnsFlags,
  findAddress: (client: KubeClient) => Promise<string | undefined>,
): Promise<void> {
  const access = await kubeconfigAccess(flags.kubeconfig, flags.context);
  using client = new KubeClient(access, { userAgent: 'kubectl-nauti' });
  const found = await readConfigMaps(client);
  const changes = planDns(dataOf(found), flags.zone, await findAddress(client));
  if (changes.length === 0) process.stdout.write('nothing to change\n');
  for (const change of changes) {
    if (flags.dryRun === undefined) await write(client, found.get(change.configMap), change);
    process.stdout.write(`${flags.dryRun ? 'would change' : 'changed'} ${describe(change)}\n`);
  }
  if (changes.length > 0 && flags.dryRun === undefined) process.stdout.write(whenSeen);
}

async function readConfigMaps(client: KubeClient): Promise<Map<string, KubeObject>> {
  const found = new Map<string, KubeObject>();
  for (const name of dnsConfigMaps) {
    const object = await client.get(configMaps, { namespace: systemNamespace, name });
    if (object) found.set(name, object);
  }
  return found;
}

function dataOf(found: ReadonlyMap<string, KubeObject>): DnsConfig {
  return Object.fromEntries(
    [...found].map(([name, { data }]) => [name, (data ?? {}) as Record<string, string>]),
  );
}

/** Against the version that was read: where somebody changed it meanwhile, it fails with a Conflict. */
async function write(
  client: KubeClient,
  found: KubeObject | undefined,
  { configMap, key, value }: DnsChange,
): Promise<void> {
  const data = { ...((found?.data ?? {}) as Record<string, string>) };
  if (value === undefined) delete data[key];
  else data[key] = value;
  if (found) {
    await client.update(configMaps, { ...found, data });
    return;
  }
  const metadata = { namespace: systemNamespace, name: configMap };
  await client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
}

function describe({ configMap, key, what, value }: DnsChange): string {
  return `${key} of the ConfigMap ${systemNamespace}/${configMap} (${what})${value === undefined ? ': taken away' : `:\n${value}`}`;
}

async function addressOf(client: KubeClient, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const service = await client.get(services, { namespace: componentNamespace, name: crossdnsService });
  const { clusterIP } = (service?.spec ?? {}) as { clusterIP?: string };
  if (clusterIP && clusterIP !== 'None') return clusterIP;
  throw new UsageError(
    `Cannot find crossdns as the Service ${crossdnsService} in ${componentNamespace} must have a ClusterIP: give --address`,
  );
}
