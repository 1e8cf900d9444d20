/** How long it takes to parse 10,000 EndpointSlices of 10 endpoints, in milliseconds: the first time, and when warm. */
import { parseEndpointSlice } from '../../api/endpoint-slice.ts';

const slices = 10_000;
const endpoints = 10;

const raws = Array.from({ length: slices }, (_, slice) =>
  JSON.parse(
    JSON.stringify({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        ...{ name: `s-${slice}`, namespace: 'demo', uid: `u${slice}`, resourceVersion: '1', generation: 2 },
        creationTimestamp: '2025-01-01T00:00:00Z',
        labels: { 'kubernetes.io/service-name': 'web', 'endpointslice.kubernetes.io/managed-by': 'x' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'y', controller: true }],
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      endpoints: Array.from({ length: endpoints }, (_, endpoint) => ({
        addresses: [`10.1.${slice % 256}.${endpoint}`],
        conditions: { ready: true, serving: true, terminating: false },
        ...{ nodeName: 'node-1', zone: 'z1' },
        targetRef: { kind: 'Pod', namespace: 'demo', name: `web-${slice}-${endpoint}`, uid: 'abc' },
      })),
    }),
  ),
);

/** Time of the clock, and of the processor, which other work on the machine does not lengthen; milliseconds. */
const runs = Array.from({ length: 7 }, () => {
  const begun = performance.now();
  const cpuBegun = process.cpuUsage();
  for (const raw of raws) parseEndpointSlice(raw);
  const { user, system } = process.cpuUsage(cpuBegun);
  return { clock: performance.now() - begun, cpu: (user + system) / 1000 };
});
const [first, ...warm] = runs;
process.stdout.write(
  `first ${first?.clock.toFixed(0)} ms (processor ${first?.cpu.toFixed(0)} ms), then ${median('clock')} ms (processor ${median('cpu')} ms), median of ${warm.length}\n`,
);

function median(what: 'clock' | 'cpu'): string {
  const sorted = warm.map(run => run[what]).sort((a, b) => a - b);
  return (sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(0);
}
