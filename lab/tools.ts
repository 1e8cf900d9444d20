/**
 * Where the real Kubernetes programs come from: taken from the PATH where the version is right, else built once by Go
 * from the pinned modules under lab/tools/ and kept in the user's cache, for all checkouts.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readlink, rename, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, tryRun } from './command.ts';

export const checkout = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** Links to all tools, for people and for the lab. */
export const toolDirectory = join(checkout, '.lab', 'bin');

interface ToolSet {
  /** Module whose version, in go.mod, is the version of the tools. */
  readonly module: string;
  /** Name of the tool → name that Go gives its binary. */
  readonly tools: Readonly<Record<string, string>>;
  /** Makes a tool on the PATH print its version, for example `kubectl version --client`. */
  readonly versionArgs: Readonly<Record<string, readonly string[]>>;
  readonly linkerFlags: (version: string) => string;
  /** Rough length of a build on two cores, in seconds, for people who wait. */
  readonly buildSeconds: number;
}

const asItIs = '-s -w';
const namedLikeTheTool = (...names: string[]) => Object.fromEntries(names.map(name => [name, name]));
const sameForAll = (names: readonly string[], args: readonly string[]) =>
  Object.fromEntries(names.map(name => [name, args]));

export const toolSets = {
  etcd: {
    module: 'go.etcd.io/etcd/server/v3',
    tools: { etcd: 'server' },
    versionArgs: { etcd: ['--version'] },
    linkerFlags: () => asItIs,
    buildSeconds: 40,
  },
  kubernetes: {
    module: 'k8s.io/kubernetes',
    tools: namedLikeTheTool(
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubelet',
      'kube-proxy',
      'kubectl',
    ),
    versionArgs: {
      ...sameForAll(
        ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'],
        ['--version'],
      ),
      kubectl: ['version', '--client'],
    },
    linkerFlags: version => {
      const [major, minor] = version.replace(/^v/, '').split('.');
      const base = '-X k8s.io/component-base/version.';
      return `${asItIs} ${base}gitVersion=${version} ${base}gitMajor=${major} ${base}gitMinor=${minor}`;
    },
    buildSeconds: 280,
  },
  containerd: {
    module: 'github.com/containerd/containerd/v2',
    tools: namedLikeTheTool('containerd', 'containerd-shim-runc-v2', 'ctr'),
    versionArgs: { containerd: ['--version'], 'containerd-shim-runc-v2': ['-v'], ctr: ['--version'] },
    linkerFlags: version => `${asItIs} -X github.com/containerd/containerd/v2/version.Version=${version}`,
    buildSeconds: 50,
  },
  coredns: {
    module: 'github.com/coredns/coredns',
    tools: { coredns: 'coredns' },
    versionArgs: { coredns: ['-version'] },
    linkerFlags: () => asItIs,
    buildSeconds: 100,
  },
  helm: {
    module: 'helm.sh/helm/v4',
    tools: { helm: 'helm' },
    versionArgs: { helm: ['version', '--short'] },
    linkerFlags: version => `${asItIs} -X helm.sh/helm/v4/internal/version.version=${version}`,
    buildSeconds: 90,
  },
} as const satisfies Record<string, ToolSet>;

export type ToolSetName = keyof typeof toolSets;

export interface EnsureToolsOptions {
  /** All of them where not given. */
  readonly sets?: readonly ToolSetName[];
  readonly signal?: AbortSignal;
  /** Told of what takes long, in words. */
  readonly onProgress?: (text: string) => void;
}

/**
 * Sees to it that the tools are there and linked from `.lab/bin/`.
 *
 * Two callers at once, also from different checkouts, do not build the same thing twice.
 *
 * @returns the directory of the links.
 */
export async function ensureTools(options: EnsureToolsOptions = {}): Promise<string> {
  const names = options.sets ?? (Object.keys(toolSets) as ToolSetName[]);
  await mkdir(toolDirectory, { recursive: true });
  for (const name of names) await ensureToolSet(name, options);
  return toolDirectory;
}

/** The path of one tool; `ensureTools` must have been awaited before. */
export function toolPath(name: string): string {
  return join(toolDirectory, name);
}

/** The user's cache directory for what the lab builds once. */
export function cacheDirectory(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'nauti');
}

/** The version of a set's tools, such as `v1.35.4`. */
export async function toolVersion(name: ToolSetName): Promise<string> {
  return moduleVersion(await readFile(join(sourceDirectory(name), 'go.mod'), 'utf8'), toolSets[name].module);
}

/** @throws Error where go.mod does not require the module. */
export function moduleVersion(goMod: string, module: string): string {
  const line = goMod
    .split('\n')
    .map(text => text.trim().replace(/^require /, ''))
    .find(text => text.startsWith(`${module} v`));
  const version = line?.split(' ')[1];
  if (version === undefined)
    throw new Error(`Cannot find the version of ${module} as go.mod does not require it`);
  return version;
}

function sourceDirectory(name: ToolSetName): string {
  return join(checkout, 'lab', 'tools', name);
}

async function ensureToolSet(
  name: ToolSetName,
  { signal, onProgress }: Pick<EnsureToolsOptions, 'signal' | 'onProgress'>,
): Promise<void> {
  const set: ToolSet = toolSets[name];
  const source = sourceDirectory(name);
  const goMod = await readFile(join(source, 'go.mod'), 'utf8');
  const goSum = await readFile(join(source, 'go.sum'), 'utf8');
  const version = moduleVersion(goMod, set.module);
  const linkerFlags = set.linkerFlags(version);
  const hash = createHash('sha256').update(`${goMod}\n${goSum}\n${linkerFlags}`).digest('hex').slice(0, 12);
  const built = join(cacheDirectory(), 'tools', `${name}-${hash}`);

  const targets = existsSync(built)
    ? builtTargets(set, built)
    : ((await targetsOnPath(set, version)) ??
      (await build({ set, source, built, linkerFlags, signal, onProgress })));
  for (const [tool, target] of Object.entries(targets)) await linkTool(target, toolPath(tool));
}

function builtTargets(set: ToolSet, directory: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(set.tools).map(([tool, binary]) => [tool, join(directory, binary)]),
  );
}

const buildOnce =
  'built=$1 partial=$2; shift 2; test -d "$built" && exit 0; rm -rf "$partial"; "$@"; mv "$partial" "$built"';

async function build(job: {
  set: ToolSet;
  source: string;
  built: string;
  linkerFlags: string;
  signal: AbortSignal | undefined;
  onProgress: ((text: string) => void) | undefined;
}): Promise<Record<string, string>> {
  const { set, source, built, linkerFlags, signal, onProgress } = job;
  await checkGo();
  await mkdir(join(built, '..'), { recursive: true });
  onProgress?.(
    `building ${Object.keys(set.tools).join(', ')} (about ${set.buildSeconds} s on two cores, once)`,
  );
  const partial = `${built}.partial`;
  // flock(1): the kernel ends the lock with its holder, whatever became of it. Who waited finds the work done.
  await run(
    'flock',
    [
      ...[`${built}.lock`, 'sh', '-euc', buildOnce, 'sh', built, partial],
      ...[
        'go',
        'build',
        '-trimpath',
        '-buildvcs=false',
        '-ldflags',
        linkerFlags,
        '-o',
        `${partial}/`,
        'tool',
      ],
    ],
    { cwd: source, env: { CGO_ENABLED: '0', GOFLAGS: undefined }, ...(signal && { signal }) },
  );
  return builtTargets(set, built);
}

async function checkGo(): Promise<void> {
  const found = await tryRun('go', ['version']).catch(() => undefined);
  const match = /go(\d+)\.(\d+)/.exec(found?.stdout ?? '');
  const [major, minor] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  if (major > 1 || (major === 1 && minor >= 26)) return;
  const current = match === null ? 'no go on the PATH' : `go ${major}.${minor}`;
  throw new Error(`Cannot build the lab's tools as Go must be 1.26 or later: current value is ${current}`);
}

/** The tools of the PATH, where all of a set are there in the version that is pinned. */
async function targetsOnPath(set: ToolSet, version: string): Promise<Record<string, string> | undefined> {
  const targets: Record<string, string> = {};
  for (const tool of Object.keys(set.tools)) {
    const path = await findOnPath(tool);
    if (path === undefined) return undefined;
    const { code, stdout, stderr } = await tryRun(path, set.versionArgs[tool] ?? ['--version']);
    if (code !== 0 || !printsVersion(stdout + stderr, version)) return undefined;
    targets[tool] = path;
  }
  return targets;
}

/** Whether the output of a version command names exactly this version, with or without its leading v. */
export function printsVersion(output: string, version: string): boolean {
  const plain = version.replace(/^v/, '').replaceAll('.', '\\.');
  return new RegExp(`(^|[^0-9.])${plain}([^0-9.]|$)`, 'm').test(output);
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    if (directory === '' || directory === toolDirectory) continue;
    const path = join(directory, name);
    if (existsSync(path)) return path;
  }
  return undefined;
}

/**
 * Puts a link in place by rename, so that who runs the tool meanwhile finds either the old or the new one, and several may
 * do it at once.
 */
export async function linkTool(target: string, path: string): Promise<void> {
  if ((await readlink(path).catch(() => undefined)) === target) return;
  const temporary = `${path}.${randomUUID()}`;
  await symlink(target, temporary);
  await rename(temporary, path);
}
