import { conditions } from './conditions.ts';
import { isClusterId } from './legal-names.ts';
import type { Condition } from './meta.ts';
import { allowedImportersAnnotation, routingAnnotations } from './names.ts';
import { type Meta, meta } from './object-meta.ts';
import { type Field, objectOf, objectOrEmpty, parserOf, textMap, UnreadableError } from './parse.ts';

/** multicluster.x-k8s.io ServiceExport: the Service of the same name is to be usable from other clusters. */
export interface ServiceExport {
  readonly metadata: Meta;
  readonly spec: {
    readonly exportedLabels: Readonly<Record<string, string>>;
    readonly exportedAnnotations: Readonly<Record<string, string>>;
  };
  readonly status: { readonly conditions: readonly Condition[] };
}

const serviceExport: Field<ServiceExport> = objectOf({
  metadata: meta,
  spec: objectOrEmpty({ exportedLabels: textMap, exportedAnnotations: textMap }),
  status: objectOrEmpty({ conditions }),
});

/** @throws UnreadableError that names the field. */
export const parseServiceExport: (raw: unknown) => ServiceExport = parserOf('ServiceExport', serviceExport);

/** How much of the traffic a cluster is to get; see {@link routingAnnotations}. */
export interface Routing {
  /** 0–65535; 0 drains the cluster. */
  readonly weight: number;
  /** 0–65535; used only while no lower number has a ready endpoint. */
  readonly priority: number;
}

/** What people ask of an export beside KEP-1645, by annotations of the ServiceExport. */
export interface ExportSteering {
  /** Absent where nobody asked for it. */
  readonly routing?: Routing;
  /** Absent: every cluster may import. An empty list: none but the exporting one. */
  readonly allowedImporters?: readonly string[];
}

/** @throws UnreadableError that names the annotation, for a condition of the export. */
export function steeringOf(annotations: Readonly<Record<string, string>>): ExportSteering {
  const weight = numberOf(annotations, routingAnnotations.weight);
  const priority = numberOf(annotations, routingAnnotations.priority);
  const importers = importersOf(annotations);
  return {
    ...(weight === undefined && priority === undefined
      ? {}
      : { routing: { weight: weight ?? 1, priority: priority ?? 0 } }),
    ...(importers === undefined ? {} : { allowedImporters: importers }),
  };
}

function numberOf(annotations: Readonly<Record<string, string>>, name: string): number | undefined {
  const text = annotations[name];
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw unreadable('an integer from 0 to 65535', text, name);
  }
  return Number(text);
}

function importersOf(annotations: Readonly<Record<string, string>>): readonly string[] | undefined {
  const text = annotations[allowedImportersAnnotation];
  if (text === undefined) return undefined;
  const ids = text
    .split(',')
    .map(id => id.trim())
    .filter(id => id !== '');
  if (ids.length > 1024 || !ids.every(isClusterId)) {
    throw unreadable(
      'a list of at most 1024 cluster ids, separated by commas',
      text,
      allowedImportersAnnotation,
    );
  }
  return [...new Set(ids)].sort();
}

function unreadable(expected: string, value: string, annotation: string): UnreadableError {
  return new UnreadableError(expected, value, ['metadata', 'annotations', annotation], 'ServiceExport');
}
