/** Renders the charts with the helm that the lab builds. */
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../api/meta.ts';
import { type CommandResult, tryRun } from '../../lab/command.ts';
import { checkout, ensureTools, toolPath } from '../../lab/tools.ts';

export const charts = ['nauti', 'nauti-agent'] as const;
export type Chart = (typeof charts)[number];

/** What a chart cannot be installed without. */
export const required: Readonly<Record<Chart, readonly string[]>> = {
  nauti: [],
  'nauti-agent': ['cluster.clusterID=cluster1', 'hub.bootstraptoken=c2VjcmV0'],
};

export function chartPath(chart: Chart, ...rest: string[]): string {
  return join(checkout, 'helm', chart, ...rest);
}

export async function helm(...args: string[]): Promise<CommandResult> {
  await ensureTools({ sets: ['helm'] });
  return tryRun(toolPath('helm'), args);
}

export interface RenderOptions {
  /** `key=value` for --set-json where the value is JSON, for --set-string else. */
  readonly set?: readonly string[];
  readonly isUpgrade?: boolean;
}

export function templateArguments(
  chart: Chart,
  { set = required[chart], isUpgrade = false }: RenderOptions,
): string[] {
  return [
    ...['template', chart, chartPath(chart), '--namespace', 'nauti-system'],
    ...set.flatMap(assignment => [isJson(assignment) ? '--set-json' : '--set-string', assignment]),
    ...(isUpgrade ? ['--is-upgrade'] : []),
  ];
}

function isJson(assignment: string): boolean {
  try {
    JSON.parse(assignment.slice(assignment.indexOf('=') + 1));
    return true;
  } catch {
    return false;
  }
}

/** The objects that a chart makes. @throws Error with what helm says. */
export async function render(chart: Chart, options: RenderOptions = {}): Promise<KubeObject[]> {
  const { code, stdout, stderr } = await helm(...templateArguments(chart, options));
  if (code !== 0) throw new Error(stderr);
  return readObjects(stdout);
}

export function readObjects(manifests: string): KubeObject[] {
  return parseAllDocuments(manifests)
    .map(document => document.toJS() as KubeObject | null)
    .filter(object => object !== null);
}

/** What helm says of values that it does not take; a chart that takes them fails the test. */
export async function refusal(chart: Chart, set: readonly string[]): Promise<string> {
  const { code, stderr } = await helm(...templateArguments(chart, { set }));
  if (code === 0) throw new Error(`${chart} takes ${set.join(' ')}`);
  return stderr;
}
