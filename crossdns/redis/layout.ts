/**
 * The catalog in Redis: a hash with every object, and a stream with every change since, so that any number of servers
 * follow it without an API server.
 *
 * | key | type | content |
 * |---|---|---|
 * | `{<prefix>}:objects` | hash | key of an object → its record in JSON |
 * | `{<prefix>}:changes` | stream | `key`, `record` unless the object is gone, `life` of the publisher and `number` of the change in it |
 * | `{<prefix>}:meta` | hash | `version` of this layout; `beat`, which changes while the publisher lives; `count` of objects |
 *
 * The version is written last. Without it, or while there are fewer objects than `count`, nothing is believed, so that a
 * lost, emptied or evicting Redis takes no answers away.
 */

import type { KubeObject } from '../../api/meta.ts';
import { mcsLabels, routingAnnotations } from '../../api/names.ts';
import { readServiceRecord, type ServiceRecord } from '../records.ts';

export const layoutVersion = '1';
/** Changes that the stream keeps, about; who is further behind reads the hash anew. */
export const keptChanges = 100_000;
/** How often the publisher says that it lives, in milliseconds. */
export const beatEvery = 2_000;

export interface RedisKeys {
  readonly objects: string;
  readonly changes: string;
  readonly meta: string;
}

export interface RedisTarget {
  /** One or more `redis://` or `rediss://` URLs of the same data; they are tried in turn. */
  readonly urls: readonly string[];
  /** As logs may show it: without a password. */
  readonly shown: string;
  readonly keys: RedisKeys;
  /** A file with the CA of its certificate (PEM); undefined for those that Node knows. */
  readonly ca?: string | undefined;
}

/**
 * Reads `redis[s]://[[user]:password@]host[:port][,host[:port]…][/db][?prefix=name]`. Hosts may be separated by `;` too:
 * where several sources are given in one text, commas separate these.
 *
 * @returns undefined for a text that is not that.
 */
export function parseRedisTarget(text: string): RedisTarget | undefined {
  const match = /^(rediss?:\/\/)([^@/]*@)?([^/?]+)(\/\d{0,3})?(?:\?prefix=([\w.-]{1,64}))?$/.exec(text);
  if (match === null) return undefined;
  const [, scheme = '', login = '', hosts = '', database = '', prefix = 'nauti-dns'] = match;
  const urls = hosts.split(/[,;]/).map(host => `${scheme}${login}${host}${database}`);
  if (!urls.every(url => URL.canParse(url))) return undefined;
  // In a Redis cluster the braces keep the three on one node.
  const name = `{${prefix}}`;
  return {
    urls,
    shown: `${scheme}${hosts}${database}`,
    keys: { objects: `${name}:objects`, changes: `${name}:changes`, meta: `${name}:meta` },
  };
}

/**
 * Reads a record that others may have written, as strictly as the object that it was made of.
 *
 * @throws Error that says what is wrong.
 */
export function parseRecord(text: string): ServiceRecord {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null)
    throw new Error('Cannot use the record as it must be an object');
  const record = readServiceRecord(objectOf(value as Partial<Record<string, unknown>>), '');
  if (record === undefined) throw new Error('Cannot use the record as it must be an import or a slice');
  return record;
}

/** The object that a record says the same as. */
function objectOf(record: Partial<Record<string, unknown>>): KubeObject {
  const annotations: Record<string, string> = {};
  for (const field of ['weight', 'priority'] as const) {
    if (record[field] !== undefined) annotations[routingAnnotations[field]] = String(record[field]);
  }
  const ports = asList(record.ports).map(port => ({
    ...port,
    protocol: typeof port.protocol === 'string' ? port.protocol.toUpperCase() : port.protocol,
  }));
  const namespace = record.namespace as string;
  if (record.kind === 'import') {
    return {
      apiVersion: 'multicluster.x-k8s.io/v1beta1',
      kind: 'ServiceImport',
      metadata: { namespace, name: record.service as string, annotations },
      spec: {
        type: record.type,
        ips: record.ips,
        ports,
        trafficDistribution: record.preferClose === true ? 'PreferClose' : undefined,
      },
    };
  }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: record.kind === 'slice' ? 'EndpointSlice' : 'Unknown',
    metadata: {
      namespace,
      annotations,
      labels: {
        [mcsLabels.serviceName]: record.service as string,
        [mcsLabels.sourceCluster]: record.cluster as string,
      },
    },
    addressType: record.family === 4 ? 'IPv4' : record.family === 6 ? 'IPv6' : record.family,
    ports,
    endpoints: record.endpoints,
  };
}

function asList(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value : [];
}
