/** What each CRD takes and refuses: a valid object, and the changes that must not pass. */
import { parseExportedService } from '../../../api/exported-service.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { parsePeer } from '../../../api/peer.ts';
import {
  exportedServices,
  peers,
  type Resource,
  serviceExports,
  serviceImports,
} from '../../../api/resource.ts';
import { parseServiceExport } from '../../../api/service-export.ts';
import { parseServiceImport } from '../../../api/service-import.ts';

export type Change = (object: Draft) => void;
/** biome-ignore lint/suspicious/noExplicitAny: the changes make objects that no type allows. */
type Draft = any;

export interface Kind {
  readonly resource: Resource;
  readonly valid: () => KubeObject;
  readonly parse: (raw: unknown) => unknown;
  /** Legal too: what is changed. */
  readonly alsoValid: readonly (readonly [what: string, change: Change])[];
  /** Refused at creation: what is wrong, and what the API server says of it. */
  readonly invalid: readonly (readonly [what: string, change: Change, says: RegExp])[];
  /** Refused as a change of the valid object. */
  readonly invalidUpdates: readonly (readonly [what: string, change: Change, says: RegExp])[];
}

const key = 'mP0Tq1vV6v8bYkz0zq0YyqjC0l7m3zK9cF8r9vQyX1E=';
const time = '2025-03-01T12:00:00Z';
const condition = { type: 'Ready', status: 'True', reason: 'Ready', message: '', lastTransitionTime: time };

export const kinds: readonly Kind[] = [
  {
    resource: serviceExports,
    parse: parseServiceExport,
    valid: () => ({
      metadata: { namespace: 'default', name: 'web' },
      spec: {
        exportedLabels: { 'example.com/team': 'shop' },
        exportedAnnotations: { note: 'any text, even "this"' },
      },
      status: { conditions: [condition] },
    }),
    alsoValid: [
      ['without a spec', object => delete object.spec],
      ['with an empty label', object => (object.spec.exportedLabels = { a: '' })],
    ],
    invalid: [
      ['a label with spaces', o => (o.spec.exportedLabels = { a: 'b c' }), /exportedLabels\.a.*should match/],
      ['a label that is too long', o => (o.spec.exportedLabels = { a: 'x'.repeat(64) }), /Too long/],
      [
        'a label that is a number',
        o => (o.spec.exportedLabels = { a: 1 }),
        /exportedLabels\.a.*must be of type string/,
      ],
      [
        'a label without a name',
        o => (o.spec.exportedLabels = { 'example.com/': 'b' }),
        /each key must be a name/,
      ],
      [
        'an annotation key with spaces',
        o => (o.spec.exportedAnnotations = { 'a b': '' }),
        /each key must be a name/,
      ],
      [
        'a key prefix that is no DNS name',
        o => (o.spec.exportedLabels = { 'A_/b': 'c' }),
        /each key must be a name/,
      ],
      [
        'too many labels',
        o =>
          (o.spec.exportedLabels = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, '']))),
        /at most 64 items/,
      ],
    ],
    invalidUpdates: [],
  },
  {
    resource: serviceImports,
    parse: parseServiceImport,
    valid: () => ({
      metadata: { namespace: 'default', name: 'web' },
      spec: {
        type: 'ClusterSetIP',
        ips: ['10.96.7.7', 'fd00::7'],
        ipFamilies: ['IPv4', 'IPv6'],
        ports: [
          { name: 'http', protocol: 'TCP', port: 80, appProtocol: 'kubernetes.io/h2c' },
          { name: 'quic', protocol: 'UDP', port: 80 },
        ],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
        internalTrafficPolicy: 'Cluster',
        trafficDistribution: 'PreferClose',
      },
      status: {
        clusters: [{ cluster: 'cluster1' }, { cluster: 'cluster2.eu' }],
        conditions: [condition],
        endpointSliceObjects: 'Present',
      },
    }),
    alsoValid: [
      ['when headless', o => Object.assign(o.spec, { type: 'Headless', ips: undefined })],
      ['when headless, with an empty list of ips', o => Object.assign(o.spec, { type: 'Headless', ips: [] })],
      ['with one unnamed port', o => (o.spec.ports = [{ port: 80 }])],
      ['with unnamed ports of several clusters', o => (o.spec.ports = [{ port: 80 }, { port: 81 }])],
      ['without ports', o => (o.spec.ports = [])],
    ],
    invalid: [
      ['no ports', o => delete o.spec.ports, /spec\.ports.*Required/],
      ['no type', o => delete o.spec.type, /spec\.type.*Required/],
      ['an unknown type', o => (o.spec.type = 'ClusterIP'), /spec\.type.*supported values/],
      ['port 0', o => (o.spec.ports[0].port = 0), /spec\.ports\[0\]\.port.*greater than or equal to 1/],
      [
        'port 65536',
        o => (o.spec.ports[0].port = 65_536),
        /spec\.ports\[0\]\.port.*less than or equal to 65535/,
      ],
      [
        'a port that is a text',
        o => (o.spec.ports[0].port = '80'),
        /spec\.ports\[0\]\.port.*must be of type integer/,
      ],
      [
        'an unknown protocol',
        o => (o.spec.ports[0].protocol = 'tcp'),
        /spec\.ports\[0\]\.protocol.*supported values/,
      ],
      ['a port name with a dot', o => (o.spec.ports[0].name = 'a.b'), /spec\.ports\[0\]\.name.*should match/],
      [
        'a port twice',
        o => (o.spec.ports = [{ port: 80 }, { port: 80, protocol: 'TCP' }]),
        /no port and protocol twice/,
      ],
      ['a port name twice', o => (o.spec.ports[1].name = 'http'), /no name twice/],
      ['an address that is none', o => (o.spec.ips = ['10.96.7']), /each must be an IP address/],
      ['two addresses of a family', o => (o.spec.ips = ['10.96.7.7', '10.96.7.8']), /different families/],
      ['three addresses', o => (o.spec.ips = ['10.96.7.7', 'fd00::7', '10.96.7.8']), /at most 2 items/],
      ['an address of a headless import', o => (o.spec.type = 'Headless'), /a headless import has no ips/],
      ['a family twice', o => (o.spec.ipFamilies = ['IPv4', 'IPv4']), /no family twice/],
      ['an unknown family', o => (o.spec.ipFamilies = ['ipv4']), /supported values/],
      [
        'an unknown affinity',
        o => (o.spec.sessionAffinity = 'Cookie'),
        /spec\.sessionAffinity.*supported values/,
      ],
      [
        'an affinity of more than a day',
        o => (o.spec.sessionAffinityConfig.clientIP.timeoutSeconds = 86_401),
        /timeoutSeconds.*less than or equal to 86400/,
      ],
      [
        'an unknown policy',
        o => (o.spec.internalTrafficPolicy = 'Zone'),
        /internalTrafficPolicy.*supported values/,
      ],
    ],
    invalidUpdates: [],
  },
  {
    resource: peers,
    parse: parsePeer,
    valid: () => ({
      metadata: { namespace: 'default', name: 'cluster1' },
      spec: {
        cluster_id: 'cluster1',
        cluster_cidr: ['10.113.0.0/16', 'fd00:113::/64'],
        endpoint: 'gw.example.com',
        port: 31_820,
        public_key: key,
        next_public_key: key,
        ishub: false,
        isPublic: true,
      },
      status: {
        conditions: [condition],
        tunnels: [
          { cluster_id: 'hub', state: 'Connected', rtt_avg_us: 530, last_handshake: time },
          { cluster_id: 'c2', state: 'Failed', path: 'Relayed', loss_percent: 100, rx_bytes: 0, tx_bytes: 7 },
        ],
      },
    }),
    alsoValid: [
      ['with an id only', o => (o.spec = { cluster_id: 'cluster1' })],
      ['with an IPv4 endpoint', o => (o.spec.endpoint = '198.51.100.10')],
      ['with an IPv6 endpoint', o => (o.spec.endpoint = '2001:db8::10')],
      ['with an id of two labels', o => renamePeer(o, 'c1.eu')],
    ],
    invalid: [
      ['no spec', o => delete o.spec, /spec.*Required/],
      ['no id', o => delete o.spec.cluster_id, /cluster_id.*Required/],
      ["another's name", o => (o.metadata.name = 'cluster2'), /the name must be spec\.cluster_id/],
      ['an id of three labels', o => renamePeer(o, 'a.b.c'), /cluster_id.*should match/],
      ['a CIDR without prefix', o => (o.spec.cluster_cidr = ['10.113.0.0']), /must be a CIDR/],
      [
        'a CIDR with host bits',
        o => (o.spec.cluster_cidr = ['10.113.1.0/16']),
        /must be a CIDR whose host bits are zero/,
      ],
      ['a CIDR with too long a prefix', o => (o.spec.cluster_cidr = ['10.113.0.0/33']), /must be a CIDR/],
      [
        'overlapping CIDRs',
        o => (o.spec.cluster_cidr = ['10.112.0.0/12', '10.113.0.0/16']),
        /no two may overlap/,
      ],
      ['port 0', o => (o.spec.port = 0), /spec\.port.*greater than or equal to 1/],
      ['port 65536', o => (o.spec.port = 65_536), /spec\.port.*less than or equal to 65535/],
      [
        'a key of 31 bytes',
        o => (o.spec.public_key = Buffer.alloc(31, 7).toString('base64')),
        /public_key.*should match/,
      ],
      [
        'a key of 33 bytes',
        o => (o.spec.public_key = Buffer.alloc(33, 7).toString('base64')),
        /public_key.*should match/,
      ],
      [
        'a key that is not canonical',
        o => (o.spec.public_key = `${key.slice(0, 42)}F=`),
        /public_key.*should match/,
      ],
      [
        'a key that is no base64',
        o => (o.spec.public_key = `${'!'.repeat(43)}=`),
        /public_key.*should match/,
      ],
      ['a next key that is none', o => (o.spec.next_public_key = 'x'), /next_public_key.*should match/],
      [
        'an endpoint with a port',
        o => (o.spec.endpoint = '198.51.100.10:31820'),
        /must be an IP address or a DNS name/,
      ],
      ['an endpoint with a space', o => (o.spec.endpoint = 'a b'), /must be an IP address or a DNS name/],
      [
        'an endpoint that is a command',
        o => (o.spec.endpoint = '$(id)'),
        /must be an IP address or a DNS name/,
      ],
      [
        'an endpoint that is almost an address',
        o => (o.spec.endpoint = '198.51.100'),
        /must be an IP address or a DNS name/,
      ],
      ['a public peer without endpoint', o => delete o.spec.endpoint, /a public peer needs an endpoint/],
      ['a flag that is a text', o => (o.spec.isPublic = 'true'), /isPublic.*must be of type boolean/],
    ],
    invalidUpdates: [
      ['another id', o => (o.spec.cluster_id = 'cluster2'), /cluster_id cannot be changed/],
      ['the hub', o => (o.spec.ishub = true), /ishub cannot be changed/],
    ],
  },
  {
    resource: exportedServices,
    parse: parseExportedService,
    valid: () => ({
      metadata: { namespace: 'default', name: 'cluster1-demo-web' },
      spec: {
        clusterId: 'cluster1',
        namespace: 'demo',
        name: 'web',
        exportedAt: time,
        type: 'ClusterSetIP',
        ports: [
          { name: 'http', protocol: 'TCP', port: 80, appProtocol: 'http' },
          { name: 'dns', protocol: 'UDP', port: 53 },
        ],
        ipFamilies: ['IPv4', 'IPv6'],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
        internalTrafficPolicy: 'Cluster',
        trafficDistribution: 'PreferClose',
        publishNotReadyAddresses: true,
        exportedLabels: { team: 'shop' },
        exportedAnnotations: { 'example.com/note': 'x' },
        routing: { weight: 0, priority: 65_535 },
        allowedImporters: ['cluster2', 'cluster3.eu'],
      },
    }),
    alsoValid: [
      [
        'with what is required only',
        o =>
          (o.spec = {
            clusterId: 'cluster1',
            namespace: 'demo',
            name: 'web',
            exportedAt: time,
            type: 'Headless',
          }),
      ],
      ['with one unnamed port', o => (o.spec.ports = [{ port: 80 }])],
      ['for no importer', o => (o.spec.allowedImporters = [])],
    ],
    invalid: [
      ['no spec', o => delete o.spec, /spec.*Required/],
      ['no cluster', o => delete o.spec.clusterId, /clusterId.*Required/],
      [
        "another's name",
        o => (o.metadata.name = 'cluster2-demo-web'),
        /the name must begin with spec\.clusterId/,
      ],
      [
        'a name without a dash',
        o => (o.metadata.name = 'cluster1'),
        /the name must begin with spec\.clusterId/,
      ],
      ['a namespace with a dot', o => (o.spec.namespace = 'a.b'), /spec\.namespace.*should match/],
      ['a name in upper case', o => (o.spec.name = 'Web'), /spec\.name.*should match/],
      ['a time with an offset', o => (o.spec.exportedAt = '2025-03-01T12:00:00+01:00'), /exportedAt/],
      ['a time that is none', o => (o.spec.exportedAt = '2025-13-01T12:00:00Z'), /exportedAt.*date-time/],
      ['an unknown type', o => (o.spec.type = 'NodePort'), /spec\.type.*supported values/],
      [
        'port 70000',
        o => (o.spec.ports[0].port = 70_000),
        /spec\.ports\[0\]\.port.*less than or equal to 65535/,
      ],
      [
        'a port twice',
        o =>
          (o.spec.ports = [
            { name: 'a', port: 80 },
            { name: 'b', port: 80 },
          ]),
        /Duplicate value/,
      ],
      ['a port name twice', o => (o.spec.ports[1].name = 'http'), /several ports need names/],
      ['two ports, one unnamed', o => delete o.spec.ports[1].name, /several ports need names/],
      ['a family twice', o => (o.spec.ipFamilies = ['IPv6', 'IPv6']), /no family twice/],
      [
        'affinity settings without affinity',
        o => (o.spec.sessionAffinity = 'None'),
        /needs sessionAffinity ClientIP/,
      ],
      ['a weight below 0', o => (o.spec.routing.weight = -1), /routing\.weight.*greater than or equal to 0/],
      [
        'a priority above 65535',
        o => (o.spec.routing.priority = 65_536),
        /routing\.priority.*less than or equal/,
      ],
      ['an importer twice', o => (o.spec.allowedImporters = ['a', 'a']), /Duplicate value/],
      [
        'an importer that is no id',
        o => (o.spec.allowedImporters = ['a_b']),
        /allowedImporters\[0\].*should match/,
      ],
      [
        'a label with a line end',
        o => (o.spec.exportedLabels = { a: 'b\n' }),
        /exportedLabels\.a.*should match/,
      ],
      [
        'an annotation key with a space',
        o => (o.spec.exportedAnnotations = { 'a b': '' }),
        /each key must be a name/,
      ],
    ],
    invalidUpdates: [
      ['another cluster', o => (o.spec.clusterId = 'cluster2'), /clusterId cannot be changed/],
      ['another namespace', o => (o.spec.namespace = 'other'), /namespace cannot be changed/],
      ['another name', o => (o.spec.name = 'other'), /name cannot be changed/],
    ],
  },
];

function renamePeer(object: Draft, name: string): void {
  object.spec.cluster_id = name;
  object.metadata.name = name;
}
