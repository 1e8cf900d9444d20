/** Why a name answers what it answers: which zone, import, slices and policies made it. Pure. */

import { type Cidr, formatCidr } from '../ipam/cidr.ts';
import type { AnsweringSettings } from './answering.ts';
import type { Catalog, Service } from './catalog.ts';
import { candidatesOf, choiceSteps } from './choose.ts';
import { ClientAddress } from './client.ts';
import { existsIn } from './compile.ts';
import { makeQuery, readAnswer } from './dnsclient.ts';
import type { ZoneChoice } from './options.ts';
import { RateLimiter } from './ratelimit.ts';
import type { ImportRecord, PortRecord, SliceRecord } from './records.ts';
import type { Responder } from './responder.ts';
import { reverseZoneNames } from './reversezone.ts';

export interface Asked {
  readonly name: string;
  readonly type: string;
  /** Who asks, as text; undefined where it does not matter. */
  readonly clientIp: string | undefined;
}

/** Lines of text for people. */
export function explain(
  { name, type, clientIp }: Asked,
  settings: AnsweringSettings,
  catalog: Catalog,
  responder: Responder,
): string[] {
  const lower = name.toLowerCase().replace(/\.$/, '');
  const zone = settings.zone
    .filter(candidate => lower === candidate.name || lower.endsWith(`.${candidate.name}`))
    .sort((a, b) => b.name.length - a.name.length)[0];
  const reverse = settings.reverseZone.find(network =>
    reverseZoneNames(network).some(own => lower === own || lower.endsWith(`.${own}`)),
  );
  const lines = zone === undefined ? [explainReverse(reverse)] : explainZone(zone, settings);
  if (zone !== undefined) lines.push(...explainName(lower, zone, settings, catalog));
  if (clientIp !== undefined) lines.push(explainClient(clientIp, settings));
  return [...lines, ...explainAnswer(lower, type, responder)];
}

function explainZone({ name, form }: ZoneChoice, { clusterId, topologyZone }: AnsweringSettings): string[] {
  const where = topologyZone === undefined ? clusterId : `${clusterId}, topology zone ${topologyZone}`;
  return [`zone: ${name}, form ${form}; clients are in ${where}`];
}

function explainReverse(network: Cidr | undefined): string {
  return network === undefined ? 'zone: none of ours' : `zone: a reverse zone of ${formatCidr(network)}`;
}

function explainName(
  name: string,
  zone: ZoneChoice,
  settings: AnsweringSettings,
  catalog: Catalog,
): string[] {
  const relative = name === zone.name ? [] : name.slice(0, -zone.name.length - 1).split('.');
  if (relative.at(-1) !== 'svc') return ["name: one of the zone's own, not of a service"];
  const [service, namespace] = [relative.at(-3), relative.at(-2)];
  if (service === undefined || namespace === undefined) return ['name: above the services'];
  const found = catalog.get(namespace, service);
  if (found === undefined)
    return [`service: ${namespace}/${service}, of which there is no import and no slice`];
  const below = relative.slice(0, -3).join('.');
  return [
    `service: ${namespace}/${service}${below === '' ? '' : `, and ${below} of it`}`,
    ...explainImports(found),
    ...explainSlices(found),
    ...explainChoice(found, zone, settings),
  ];
}

function explainImports(service: Service): string[] {
  const chosen = service.import;
  if (chosen === undefined) return ['import: none'];
  return [...service.imports].map(([key, record]) => {
    const used = record === chosen ? '' : ' (not used: another comes first)';
    return `import: ${key}${used}: ${describeImport(record)}`;
  });
}

function describeImport({ type, ips, ports, preferClose, weight, priority }: ImportRecord): string {
  return [
    type,
    ...(ips.length > 0 ? [ips.join(' ')] : []),
    `ports ${describePorts(ports)}`,
    ...(preferClose ? ['near is preferred'] : []),
    ...(weight === undefined ? [] : [`weight ${weight}`]),
    ...(priority === undefined ? [] : [`priority ${priority}`]),
  ].join(', ');
}

function describePorts(ports: readonly PortRecord[]): string {
  if (ports.length === 0) return 'none';
  return ports
    .map(({ name, protocol, port }) => `${name === '' ? 'unnamed' : name}:${port}/${protocol}`)
    .join(' ');
}

function explainSlices(service: Service): string[] {
  const slices = [...service.slices].sort(([a], [b]) => (a < b ? -1 : 1));
  return slices.map(([key, slice]) => `slice: ${key}: ${describeSlice(slice)}`);
}

function describeSlice({
  cluster,
  family,
  endpoints,
  unready,
  ports,
  weight,
  priority,
}: SliceRecord): string {
  return [
    `cluster ${cluster}`,
    `IPv${family}`,
    `${endpoints.length} ready`,
    `${unready} not ready`,
    `ports ${describePorts(ports)}`,
    ...(weight === undefined ? [] : [`weight ${weight}`]),
    ...(priority === undefined ? [] : [`priority ${priority}`]),
  ].join(', ');
}

function explainChoice(service: Service, { form }: ZoneChoice, settings: AnsweringSettings): string[] {
  if (!existsIn(service, form)) {
    return service.import === undefined && form === 'mcs'
      ? ['choice: none, as a service exists in this zone only with its import']
      : ['choice: none, as no endpoint is ready'];
  }
  if (form === 'mcs' && service.import?.type === 'ClusterSetIP') {
    return ['choice: the address of the import; which endpoint gets the traffic is not decided here'];
  }
  const candidates = candidatesOf(service);
  const locality = { cluster: settings.clusterId, zone: settings.topologyZone };
  const steps = choiceSteps(candidates, service.import?.preferClose ?? false, locality);
  const lines = [`choice: ${countByCluster(candidates)} are ready`];
  for (const { rule, kept } of steps) lines.push(`choice: ${countByCluster(kept)} left: ${rule}`);
  return lines;
}

function countByCluster(candidates: readonly { readonly cluster: string }[]): string {
  const counts = [...Map.groupBy(candidates, ({ cluster }) => cluster)].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = counts.map(([cluster, own]) => `${own.length} of ${cluster}`).join(', ');
  return text === '' ? 'no endpoints' : text;
}

function explainClient(clientIp: string, settings: AnsweringSettings): string {
  const client = new ClientAddress();
  client.setText(clientIp);
  const limiter = new RateLimiter({ perSecond: 1, exempt: settings.rateLimitExempt });
  const exempt = limiter.take(client, 0) && limiter.take(client, 0);
  if (settings.rateLimit === 0) return `client: ${client}, no rate limit`;
  if (!exempt)
    return `client: ${client}, at most ${settings.rateLimit} answers a second for its network over UDP`;
  return `client: ${client}, without rate limit, as in ${settings.rateLimitExempt.map(formatCidr).join(', ')}`;
}

function explainAnswer(name: string, type: string, responder: Responder): string[] {
  const query = makeQuery(name, type);
  const out = new Uint8Array(65_535);
  const size = responder.respond(query, query.length, out, 'tcp', new ClientAddress());
  const answer = readAnswer(out.subarray(0, size));
  const { answers, authorities, additionals } = answer;
  const what =
    answer.rcode === 'NOERROR' && answers.length === 0 ? 'NOERROR, no records (NODATA)' : answer.rcode;
  return [
    `answer: ${what}, ${size} octets`,
    ...answers.map(line => `  ${line}`),
    ...authorities.map(line => `  ${line}   (authority)`),
    ...additionals.map(line => `  ${line}   (additional)`),
  ];
}
