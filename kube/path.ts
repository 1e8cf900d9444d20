import type { KubeObject } from '../api/meta.ts';
import type { Resource } from '../api/resource.ts';

/** One object, by name. The namespace is required exactly where the resource has one. */
export interface ObjectReference {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** Path of a collection: of one namespace, or of all where none is given. */
export function collectionPath(resource: Resource, namespace: string | undefined): string {
  const group = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const base = `${group}/${resource.version}`;
  if (namespace === undefined) return `${base}/${resource.plural}`;
  if (!resource.namespaced) {
    throw new TypeError(`Cannot address ${resource.plural} as they must be without a namespace`);
  }
  return `${base}/namespaces/${segment(namespace, 'namespace')}/${resource.plural}`;
}

/**
 * Path of one object.
 *
 * An empty name would turn the deletion of an object into that of all of them: it is refused, with every name that
 * is not one path segment.
 */
export function objectPath(resource: Resource, reference: ObjectReference, subresource?: string): string {
  const collection = writePath(resource, reference.namespace);
  const path = `${collection}/${segment(reference.name, `name of the ${resource.kind}`)}`;
  return subresource === undefined ? path : `${path}/${segment(subresource, 'subresource')}`;
}

/** Path of the collection that a new object goes into. */
export function writePath(resource: Resource, namespace: string | undefined): string {
  const inNamespace = namespace === '' ? undefined : namespace;
  if (resource.namespaced && inNamespace === undefined) {
    throw new TypeError(`Cannot address a ${resource.kind} as its namespace must be given`);
  }
  return collectionPath(resource, inNamespace);
}

/** @throws TypeError where an object to be written has no name. */
export function referenceOf(object: KubeObject): ObjectReference {
  return { namespace: object.metadata.namespace, name: object.metadata.name ?? '' };
}

export function queryString(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

function segment(value: string, what: string): string {
  if (typeof value !== 'string' || value === '' || value === '.' || value === '..' || value.includes('/')) {
    throw new TypeError(
      `Cannot make a request as the ${what} must be one path segment: current value is ${JSON.stringify(value)}`,
    );
  }
  return encodeURIComponent(value);
}
