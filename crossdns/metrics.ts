import { Gauge, type Metric, type Registry } from 'prom-client';
import { rcode } from './protocol.ts';
import { countedTypes, durationBounds, type QueryStats, sizeBounds } from './stats.ts';

type Value = {
  readonly metricName?: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
};

const transports = ['udp', 'tcp'] as const;
const rcodeNames = new Map<number, string>(Object.entries(rcode).map(([name, code]) => [code, name]));

/**
 * Shows counts of queries to Prometheus, under the names that CoreDNS users know.
 *
 * @param zones names in the order of the statistics, without a dot at the end.
 * @param read the counts of all processes together.
 */
export function registerQueryMetrics(
  registry: Registry,
  zones: readonly string[],
  read: () => QueryStats | Promise<QueryStats>,
): void {
  const add = (
    type: 'counter' | 'histogram',
    name: string,
    help: string,
    values: (stats: QueryStats) => Value[],
  ) =>
    registry.registerMetric({
      name,
      get: async () => ({ name, help, type, aggregator: 'sum', values: values(await read()) }),
      reset: () => {},
    } as unknown as Metric<string>);
  // A name that is in no zone of ours is told by nobody but a client: it is no label.
  const zoneName = (zone: number) => (zone === 0 ? 'none' : `${zones[zone - 1]}.`);

  add('counter', 'nauti_dns_requests_total', 'Queries by zone, transport, address family and type.', stats =>
    requestValues(stats, zoneName),
  );
  add('counter', 'nauti_dns_responses_total', 'Answers by zone and response code.', stats =>
    responseValues(stats, zoneName),
  );
  add('histogram', 'nauti_dns_request_size_bytes', 'Size of queries.', stats =>
    sizeValues(stats, 'nauti_dns_request_size_bytes', stats.layout.querySizes),
  );
  add('histogram', 'nauti_dns_response_size_bytes', 'Size of answers.', stats =>
    sizeValues(stats, 'nauti_dns_response_size_bytes', stats.layout.answerSizes),
  );
  add(
    'histogram',
    'nauti_dns_request_duration_seconds',
    'Work a query takes, from its reading to its answer; of queries that came together the mean.',
    durationValues,
  );
  for (const [name, help, cell] of [
    ['nauti_dns_truncated_total', 'Answers with TC set.', 'truncated'],
    ['nauti_dns_rate_limited_total', 'Queries over the rate limit.', 'rateLimited'],
    [
      'nauti_dns_dropped_total',
      'Messages without an answer: no queries, or errors over the rate limit.',
      'dropped',
    ],
  ] as const) {
    add('counter', name, help, stats => [{ labels: {}, value: stats.cells[stats.layout[cell]] ?? 0 }]);
  }
  add('counter', 'nauti_dns_cookies_total', 'Queries with a cookie, by what it was worth.', stats =>
    ['absent', 'bad', 'good'].map((verdict, i) => ({
      labels: { verdict },
      value: stats.cells[stats.layout.cookies + i] ?? 0,
    })),
  );
}

/** A gauge that is read when it is asked for. */
export function registerGauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => number | Promise<number>,
): void {
  registry.registerMetric(
    new Gauge({
      name,
      help,
      registers: [],
      async collect() {
        this.set(await read());
      },
    }),
  );
}

function requestValues(stats: QueryStats, zoneName: (zone: number) => string): Value[] {
  const values: Value[] = [];
  let cell = stats.layout.requests;
  for (let zone = 0; zone < stats.zones; zone++) {
    for (const proto of transports) {
      for (const family of ['1', '2']) {
        for (const type of countedTypes) {
          const value = stats.cells[cell++] ?? 0;
          if (value > 0) values.push({ labels: { zone: zoneName(zone), proto, family, type }, value });
        }
      }
    }
  }
  return values;
}

function responseValues(stats: QueryStats, zoneName: (zone: number) => string): Value[] {
  const values: Value[] = [];
  const { responses, rcodes } = stats.layout;
  for (let zone = 0; zone < stats.zones; zone++) {
    for (let code = 0; code < rcodes; code++) {
      const value = stats.cells[responses + zone * rcodes + code] ?? 0;
      if (value === 0) continue;
      values.push({ labels: { zone: zoneName(zone), rcode: rcodeNames.get(code) ?? String(code) }, value });
    }
  }
  return values;
}

function sizeValues(stats: QueryStats, name: string, start: number): Value[] {
  return transports.flatMap((proto, i) => {
    const at = start + i * stats.layout.sizeCells;
    const counts = stats.cells.subarray(at, at + sizeBounds.length);
    return histogramValues(name, { proto }, sizeBounds, counts, stats.cells[at + sizeBounds.length] ?? 0);
  });
}

function durationValues(stats: QueryStats): Value[] {
  return transports.flatMap((proto, i) => {
    const at = stats.layout.durations + i * stats.layout.durationCells;
    const end = at + durationBounds.length + 1;
    const counts = stats.cells.subarray(at, end);
    const sum = stats.cells[end] ?? 0;
    return histogramValues('nauti_dns_request_duration_seconds', { proto }, durationBounds, counts, sum);
  });
}

/** @param counts one a bound, and one for what is above the last where there may be such. */
function histogramValues(
  name: string,
  labels: Record<string, string>,
  bounds: readonly number[],
  counts: Float64Array,
  sum: number,
): Value[] {
  let total = 0;
  const buckets = bounds.map((le, i) => {
    total += counts[i] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total };
  });
  total += counts[bounds.length] ?? 0;
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: total },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  ];
}
