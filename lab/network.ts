/** Makes the machine's network namespaces what a plan says, and takes them away again. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { run, tryRun } from './command.ts';
import { machineDevice, type NamespacePlan, namespacePrefix } from './network-plan.ts';
import { nodeNetwork } from './topology.ts';
import { until } from './until.ts';

/** Where ip(8) keeps named network namespaces. */
export const namespaceDirectory = '/run/netns';

export function namespacePath(name: string): string {
  return join(namespaceDirectory, name);
}

/** Makes what is missing and sets all settings again; what is there already stays. */
export async function applyNetwork(plans: readonly NamespacePlan[]): Promise<void> {
  for (const { name } of plans) if (name !== undefined) await ensureNamespace(name);
  // Devices first, for all namespaces: settings name devices whose other end another namespace makes.
  for (const plan of plans) await ensureLinks(plan);
  for (const plan of plans) await applySettings(plan);
}

/** @throws Error where the machine uses addresses of the nodes' network for something else. */
export async function checkAddresses(): Promise<void> {
  const routes = JSON.parse(await run('ip', ['-j', '-4', 'route', 'show', 'table', 'all'])) as Route[];
  const foreign = conflictingRoute(routes);
  if (foreign === undefined) return;
  throw new Error(
    `Cannot use ${nodeNetwork.machine}/${nodeNetwork.prefixLength} for the lab as this machine must not use it itself: ` +
      `it has a route to ${foreign.dst} by ${foreign.dev}`,
  );
}

/** What `ip -j route` tells of a route. */
interface Route {
  readonly dst: string;
  readonly dev?: string;
}

/** A route into the nodes' network that is not the lab's own. */
export function conflictingRoute(routes: readonly Route[]): Route | undefined {
  const network = nodeNetwork.machine.split('.').slice(0, 3).join('.');
  return routes.find(({ dst, dev }) => dst.startsWith(`${network}.`) && dev !== machineDevice);
}

async function ensureNamespace(name: string): Promise<void> {
  if (await isNamespace(name)) return;
  // The mount of an earlier life of the machine is gone, its mount point is not.
  await rm(namespacePath(name), { force: true });
  await mkdir(namespaceDirectory, { recursive: true });
  await run('ip', ['netns', 'add', name]);
}

// NSFS_MAGIC (linux/magic.h): the file system of what a namespace is mounted as.
const namespaceFileSystem = 0x6e736673;

async function isNamespace(name: string): Promise<boolean> {
  return (await statfs(namespacePath(name)).catch(() => undefined))?.type === namespaceFileSystem;
}

async function ensureLinks({ name, links }: NamespacePlan): Promise<void> {
  if (links.length === 0) return;
  const present = new Set(
    (JSON.parse(await run('ip', [...inNamespace(name), '-j', 'link'])) as { ifname: string }[]).map(
      link => link.ifname,
    ),
  );
  const missing = links.filter(link => !present.has(link.name));
  await batch(
    name,
    missing.map(link => `link add ${link.name} ${link.add}`),
  );
}

async function applySettings({ name, settings, sysctls, rules, plainDevices }: NamespacePlan): Promise<void> {
  await batch(name, settings);
  const inside = (command: string, args: readonly string[], input?: string) =>
    run('nsenter', [...entering(name), command, ...args], input === undefined ? {} : { input });
  const assignments = Object.entries(sysctls).map(([key, value]) => `${key}=${value}`);
  if (assignments.length > 0) await inside('sysctl', ['-q', '-w', ...assignments]);
  if (rules !== undefined) await inside('nft', ['-f', '-'], rules);
  for (const device of plainDevices) {
    await inside('ethtool', ['-K', device, 'tx', 'off', 'gso', 'off', 'tso', 'off', 'gro', 'off']);
  }
}

/** Runs many ip(8) commands in one process. */
async function batch(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  await run('ip', [...inNamespace(namespace), '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

function inNamespace(name: string | undefined): string[] {
  return name === undefined ? [] : ['-n', name];
}

/** Arguments of nsenter(1), which in contrast to `ip netns exec` leaves /sys as it is. */
function entering(name: string | undefined): string[] {
  return name === undefined ? [] : [`--net=${namespacePath(name)}`];
}

/** The lab's namespaces that exist, by name. */
export async function findNamespaces(): Promise<string[]> {
  const names = await readdir(namespaceDirectory).catch(() => []);
  return names.filter(name => name.startsWith(namespacePrefix));
}

/** Takes namespaces away with all that is in them; no process may run there any more. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  for (const name of names) {
    await tryRun('ip', ['netns', 'delete', name]);
    await rm(namespacePath(name), { force: true });
  }
}

/** Waits until the lab's device has left the machine: the kernel takes a namespace down some time after its name. */
export async function machineDeviceGone(signal?: AbortSignal): Promise<void> {
  const device = `/sys/class/net/${machineDevice}`;
  if (existsSync(device)) await tryRun('ip', ['link', 'delete', machineDevice]);
  await until(() => !existsSync(device), { what: `the end of ${machineDevice}`, timeout: 30_000, signal });
}
