/** Renders the charts with the helm that the lab builds. */
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../api/meta.ts';
import { type CommandResult, tryRun } from '../../lab/command.ts';
import { checkout, ensureTools, toolPath } from '../../lab/tools.ts';

export const charts = ['nauti', 'nauti-agent'] as const;
export type Chart = (typeof charts)[number];

/** Values by key, such as `tunnel.cidr`. */
export type Values = Readonly<Record<string, unknown>>;

/** What a chart cannot be installed without. */
export const required: Readonly<Record<Chart, Values>> = {
  nauti: {},
  'nauti-agent': { 'cluster.clusterID': 'cluster1', 'hub.bootstraptoken': 'c2VjcmV0' },
};

export function chartPath(chart: Chart, ...rest: string[]): string {
  return join(checkout, 'helm', chart, ...rest);
}

export async function helm(...args: string[]): Promise<CommandResult> {
  await ensureTools({ sets: ['helm'] });
  return tryRun(toolPath('helm'), args);
}

export interface RenderOptions {
  /** All that differs from the defaults; what is required where not given. */
  readonly values?: Values;
  readonly isUpgrade?: boolean;
  /** Name of the release; the chart's where not given. */
  readonly release?: string;
}

function templateArguments(
  chart: Chart,
  { values = required[chart], isUpgrade = false, release = chart }: RenderOptions,
): string[] {
  return [
    ...['template', release, chartPath(chart), '--namespace', 'nauti-system'],
    ...setArguments(values),
    ...(isUpgrade ? ['--is-upgrade'] : []),
  ];
}

export function setArguments(values: Values): string[] {
  return Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);
}

/** The objects that a chart makes. @throws Error with what helm says. */
export async function render(chart: Chart, options: RenderOptions = {}): Promise<KubeObject[]> {
  return readObjects(await renderText(chart, options));
}

/** The same as helm prints it: to be compared, as reading it takes three times as long as making it. */
export async function renderText(chart: Chart, options: RenderOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await helm(...templateArguments(chart, options));
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

export function readObjects(manifests: string): KubeObject[] {
  // Kubernetes reads YAML 1.1, in which `n` is false.
  return parseAllDocuments(manifests, { version: '1.1' })
    .map(document => document.toJS() as KubeObject | null)
    .filter(object => object !== null);
}

/** What helm says of values that it does not take; a chart that takes them fails the test. */
export async function refusal(chart: Chart, values: Values): Promise<string> {
  const { code, stderr } = await helm(...templateArguments(chart, { values }));
  if (code === 0) throw new Error(`${chart} takes ${JSON.stringify(values)}`);
  return stderr;
}
