import { expect } from 'chai';
import { parseEndpointSlice } from './endpoint-slice.ts';
import { parseExportedService } from './exported-service.ts';
import { UnreadableError } from './parse.ts';
import { parsePeer } from './peer.ts';
import { parsePod } from './pod.ts';
import { parseService } from './service.ts';
import { parseServiceExport } from './service-export.ts';
import { parseServiceImport } from './service-import.ts';

const metadata = { name: 'a', namespace: 'b', labels: { c: 'd' } };
const condition = { type: 'Ready', status: 'True', reason: 'Ready', message: '', lastTransitionTime: '' };
const policies = {
  ipFamilies: ['IPv4'],
  sessionAffinity: 'ClientIP',
  sessionAffinityConfig: { clientIP: { timeoutSeconds: 9 } },
  internalTrafficPolicy: 'Local',
  trafficDistribution: 'PreferClose',
  ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
};

const kinds: readonly (readonly [name: string, parse: (raw: unknown) => unknown, valid: object])[] = [
  [
    'EndpointSlice',
    parseEndpointSlice,
    {
      metadata,
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      endpoints: [
        {
          addresses: ['10.1.0.1'],
          conditions: { ready: true, serving: true },
          hostname: 'h',
          targetRef: { name: 'p' },
        },
      ],
    },
  ],
  [
    'Service',
    parseService,
    { metadata, spec: { ...policies, type: 'ClusterIP', clusterIP: 'None', selector: { a: 'b' } } },
  ],
  [
    'ServiceExport',
    parseServiceExport,
    { metadata, spec: { exportedLabels: { a: 'b' } }, status: { conditions: [condition] } },
  ],
  [
    'ServiceImport',
    parseServiceImport,
    {
      metadata,
      spec: { ...policies, type: 'ClusterSetIP', ips: ['10.0.0.1'] },
      status: { clusters: [{ cluster: 'c' }] },
    },
  ],
  [
    'ExportedService',
    parseExportedService,
    {
      metadata,
      spec: {
        ...policies,
        ...{
          clusterId: 'c',
          namespace: 'n',
          name: 's',
          exportedAt: '2025-03-01T12:00:00Z',
          type: 'Headless',
        },
        ...{
          exportedLabels: {},
          exportedAnnotations: { a: 'b' },
          routing: { weight: 1 },
          allowedImporters: ['d'],
        },
      },
    },
  ],
  [
    'Peer',
    parsePeer,
    {
      metadata,
      spec: {
        cluster_id: 'c',
        cluster_cidr: ['10.113.0.0/16'],
        endpoint: 'gw',
        port: 1,
        public_key: `${'A'.repeat(43)}=`,
      },
      status: { tunnels: [{ cluster_id: 'd', state: 'Failed', last_handshake: '2025-03-01T12:00:00Z' }] },
    },
  ],
  [
    'Pod',
    parsePod,
    { metadata, spec: { nodeName: 'n' }, status: { podIPs: [{ ip: '10.1.0.1' }], conditions: [condition] } },
  ],
];

/** What a stranger may put anywhere. */
const oddities: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e308,
    Number.MAX_SAFE_INTEGER,
    '',
    'x',
    '\u0000',
    '\ud800',
    'a'.repeat(100_000),
  ],
  ...[
    [],
    [[]],
    [null],
    {},
    { length: 5 },
    { toString: 1 },
    JSON.parse('{"__proto__":{"x":1},"constructor":1}'),
  ],
  ...['../../etc', '-'.repeat(300), `${'a.'.repeat(5000)}a`, '::', '0'.repeat(500), '10.0.0.0/8/8', 'NaN'],
  Array.from({ length: 2000 }, () => 'x'),
];

describe('hostile objects', () => {
  for (const [name, parse, valid] of kinds) {
    it(`${name}: each value replaced by each oddity is read or refused by name, at once`, function () {
      this.timeout(100_000);
      expect(() => parse(valid)).to.not.throw();
      let slowest = 0;
      for (const path of pathsOf(valid)) {
        for (const oddity of oddities) {
          const raw = replaced(valid, path, oddity);
          const begun = performance.now();
          try {
            parse(raw);
          } catch (error) {
            expect(error, `${path.join('.')} = ${JSON.stringify(oddity)?.slice(0, 40)}`).to.be.instanceOf(
              UnreadableError,
            );
            const { message } = error as UnreadableError;
            expect(message).to.have.length.below(1_000);
            expect(message)
              .to.match(new RegExp(`^Cannot read ${name}`))
              .and.not.match(/\p{Cc}/u);
          }
          slowest = Math.max(slowest, performance.now() - begun);
        }
      }
      expect(slowest).to.be.below(5_000);
      expect(Object.keys(Object.prototype)).to.deep.equal([]);
    });
  }
});

it('hostile names and keys are shown without what would steer a terminal, and cut', () => {
  const name = `\u001b[2J${'x'.repeat(10_000)}`;
  for (const raw of [
    { metadata: { name, namespace: name }, spec: 1 },
    { metadata: { name: 'a', labels: { [name]: 1 } } },
  ]) {
    let message = '';
    try {
      parseServiceExport(raw);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message)
      .to.match(/^Cannot read ServiceExport/)
      .and.not.match(/\p{Cc}/u);
    expect(message).to.have.length.below(1_000);
  }
});

/** Paths of all values in a value, its own (empty) too. */
function pathsOf(value: unknown): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner).map(path => [key, ...path]))];
}

function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}
