/** For tests: objects in few words, and a responder that serves them. */

import type { KubeObject } from '../api/meta.ts';
import { mcsLabels } from '../api/names.ts';
import { type Cidr, parseCidr } from '../ipam/cidr.ts';
import { Catalog } from './catalog.ts';
import { ClientAddress } from './client.ts';
import type { ZoneForm } from './compile.ts';
import { CookieBaker } from './cookie.ts';
import { type Answer, makeQuery, type QueryOptions, readAnswer } from './dnsclient.ts';
import type { Transport } from './outcome.ts';
import { readServiceRecord } from './records.ts';
import { Responder, type ResponderOptions } from './responder.ts';
import type { Zone } from './zone.ts';
import { openZones } from './zones.ts';

/** `http/tcp:80`; without a name `tcp:80`. */
function portOf(text: string): object {
  const [, name = '', protocol = '', port] = /^(?:([^/]*)\/)?(\w+):(\d+)$/.exec(text) ?? [];
  return { name, protocol: protocol.toUpperCase(), port: Number(port) };
}

/** `10.1.0.1`, `db-0=10.1.0.1`; `!` in front is not ready, `@zone` behind is its topology zone. */
function endpointOf(text: string): object {
  const [, not, hostname, address, zone] = /^(!?)(?:([^=]*)=)?([^@]*)(?:@(.*))?$/.exec(text) ?? [];
  return {
    addresses: [address],
    conditions: { ready: not === '' },
    ...(hostname === undefined ? {} : { hostname }),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** A ServiceImport of `namespace/name`. */
export function importOf(
  service: string,
  {
    ips = [],
    ports = [],
    headless = false,
    trafficDistribution,
    annotations = {},
  }: {
    ips?: string[];
    ports?: string[];
    headless?: boolean;
    trafficDistribution?: string;
    annotations?: Record<string, string>;
  } = {},
): KubeObject {
  const [namespace = '', name = ''] = service.split('/');
  return {
    apiVersion: 'multicluster.x-k8s.io/v1beta1',
    kind: 'ServiceImport',
    metadata: { namespace, name, annotations },
    spec: {
      type: headless ? 'Headless' : 'ClusterSetIP',
      ips,
      ports: ports.map(portOf),
      ...(trafficDistribution === undefined ? {} : { trafficDistribution }),
    },
  };
}

/** An EndpointSlice of `namespace/name` from a cluster. */
export function sliceOf(
  service: string,
  cluster: string,
  endpoints: readonly string[],
  {
    name = '',
    ports = [],
    annotations = {},
  }: { name?: string; ports?: string[]; annotations?: Record<string, string> } = {},
): KubeObject {
  const [namespace = '', serviceName = ''] = service.split('/');
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace,
      name: `${serviceName}-${cluster}${name}`,
      annotations,
      labels: { [mcsLabels.serviceName]: serviceName, [mcsLabels.sourceCluster]: cluster },
    },
    addressType: endpoints[0]?.includes(':') ? 'IPv6' : 'IPv4',
    ports: ports.map(portOf),
    endpoints: endpoints.map(endpointOf),
  };
}

interface Asked extends QueryOptions {
  readonly transport?: Transport;
}

/** A responder for clients of `cluster`. */
export class Served {
  readonly catalog = new Catalog();
  readonly responder: Responder;
  readonly zones: readonly Zone[];
  readonly client = new ClientAddress();
  readonly #out = new Uint8Array(65_535);

  constructor(
    objects: readonly KubeObject[],
    {
      cluster = 'cluster1',
      topologyZone,
      zones = { 'hyperos.local': 'endpoints', 'clusterset.local': 'mcs' },
      nameServers = ['10.96.0.11'],
      reverse = [],
      ...options
    }: {
      cluster?: string;
      topologyZone?: string;
      zones?: Record<string, ZoneForm>;
      nameServers?: string[];
      /** Networks with names for their addresses. */
      reverse?: string[];
    } & Partial<ResponderOptions> = {},
  ) {
    this.zones = openZones(
      {
        zone: Object.entries(zones).map(([name, form]) => ({ name, form })),
        reverseZone: reverse.map(text => parseCidr(text) as Cidr),
        ttl: 5_000,
        negativeTtl: 5_000,
        versionTtl: 28_800_000,
        clusterId: cluster,
        topologyZone,
        nameServerAddress: nameServers,
      },
      this.catalog,
    );
    this.responder = new Responder(this.zones, {
      udpSize: 1232,
      cookies: new CookieBaker(),
      tcpIdleMs: 10_000,
      ...options,
    });
    this.responder.ready = true;
    this.apply(...objects);
  }

  apply(...objects: readonly KubeObject[]): void {
    for (const object of objects) {
      this.catalog.set(keyOf(object), readServiceRecord(object, 'syncer-operator'));
    }
  }

  remove(...objects: readonly KubeObject[]): void {
    for (const object of objects) this.catalog.set(keyOf(object), undefined);
  }

  /** The octets of the answer; empty where there is none. */
  respond(message: Uint8Array, transport: Transport = 'udp'): Uint8Array {
    return this.#out.slice(
      0,
      this.responder.respond(message, message.length, this.#out, transport, this.client),
    );
  }

  /** Asks `name TYPE`. */
  ask(question: string, { transport = 'udp', ...options }: Asked = {}): Answer {
    const [name = '', type = ''] = question.split(' ');
    return readAnswer(this.respond(makeQuery(name, type, options), transport));
  }

  /** The answer section over TCP as sorted zone-file lines without name, TTL and class; else the response code. */
  data(question: string): string[] | string {
    const { rcode, answers } = this.ask(question, { transport: 'tcp' });
    if (answers.length > 0) return answers.map(line => line.split(' ').slice(4).join(' ')).sort();
    return rcode === 'NOERROR' ? 'NODATA' : rcode;
  }
}

function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.namespace}/${metadata.name}`;
}
