import { posix } from 'node:path';

/**
 * Who may import whom. A folder may import from folders of a lower layer and from itself; components, which share a
 * layer, never import each other: they meet through Kubernetes objects, sockets and databases.
 */
export const layers: readonly (readonly string[])[] = [
  ['api', 'ovsdb-client', 'ipam'],
  ['process'],
  ['kube'],
  ['membership'],
  ['crossdns', 'syncer', 'ovn-controller', 'ovn-pki', 'ovn-node', 'nri', 'octopus', 'hub'],
  ['cli'],
  ['bin', 'build', 'lab', 'demo', 'test'],
];

/** Folders of the last layer may import anything, each other too. */
const free = new Set(layers.at(-1));

/** Of these only types may be imported, or late by `import()`: their models cost every process some 90 MB. */
const typesOnly = new Set(['@kubernetes/client-node']);

export interface SourceFile {
  /** From the root of the project, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** @returns one sentence for each import that goes upwards or sideways, and for each folder that no layer has. */
export function findViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap(file => importsOf(file.text).flatMap(found => check(file.path, found) ?? []));
}

function check(path: string, { specifier, late }: Import): string | undefined {
  const from = folderOf(path);
  if (free.has(from)) return undefined;
  const layer = layerOf(from);
  if (layer < 0) return `${path}: the folder ${from} must stand in a layer`;
  if (typesOnly.has(specifier) && !late)
    return `${path}: ${specifier} must be imported by "import type" or late`;
  if (specifier === from) return undefined;
  if (specifier === 'ovsdb-client') return layer > layerOf(specifier) ? undefined : upwards(path, specifier);
  if (!specifier.startsWith('.')) return undefined;
  const target = folderOf(posix.join(posix.dirname(path), specifier));
  if (target === from) return undefined;
  const targetLayer = layerOf(target);
  return targetLayer >= 0 && targetLayer < layer ? undefined : upwards(path, specifier);
}

function upwards(path: string, specifier: string): string {
  return `${path}: cannot import ${specifier} as imports must point to a lower layer`;
}

function folderOf(path: string): string {
  return path.split('/', 1)[0] ?? '';
}

function layerOf(folder: string): number {
  return layers.findIndex(layer => layer.includes(folder));
}

export interface Import {
  readonly specifier: string;
  /** By `import()`. */
  readonly late: boolean;
}

/** All imports and re-exports that exist at run time or as types, but not `import type` of packages. */
export function importsOf(text: string): Import[] {
  const found: Import[] = [];
  const pattern =
    /^\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  for (const [, type, named, dynamic] of text.matchAll(pattern)) {
    const specifier = named ?? dynamic ?? '';
    if (type === undefined || specifier.startsWith('.')) found.push({ specifier, late: named === undefined });
  }
  return found;
}
