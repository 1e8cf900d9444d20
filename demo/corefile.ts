/** What is added to a CoreDNS Corefile so that zones are answered by another server. Pure. */

const begin = '# nauti: zones of other clusters, begin';
const end = '# nauti: end';

/**
 * Forwards zones to an address. What the file says of other zones stays as it is, byte for byte; what was added before
 * is replaced.
 *
 * @throws Error where the file has a server block of its own for one of the zones.
 */
export function forwardZones(corefile: string, zones: readonly string[], address: string): string {
  const rest = withoutForwardedZones(corefile);
  const taken = zones.find(zone => serves(rest, zone));
  if (taken !== undefined) {
    throw new Error(
      `Cannot forward the zone ${taken} as the Corefile must not have a server block for it already`,
    );
  }
  const target = address.includes(':') ? `[${address}]` : address;
  const blocks = zones.map(zone => `${zone}:53 {\n    errors\n    forward . ${target}\n}`);
  return `${rest.trimEnd()}\n${[begin, ...blocks, end].join('\n')}\n`;
}

/** Takes away what {@link forwardZones} added. */
export function withoutForwardedZones(corefile: string): string {
  const from = corefile.indexOf(begin);
  const to = corefile.indexOf(end, from);
  if (from < 0 || to < 0) return corefile;
  return corefile.slice(0, from) + corefile.slice(to + end.length).replace(/^\n/, '');
}

/** Whether a line begins a server block with the zone among its addresses, such as `dns://hyperos.local.:53 {`. */
function serves(corefile: string, zone: string): boolean {
  const name = `(dns://)?${zone.replaceAll('.', '\\.')}\\.?(:\\d+)?`;
  return new RegExp(`^[^#\\n{]*(^|[\\s,])${name}([\\s,][^\\n]*)?\\{[^\\S\\n]*$`, 'm').test(corefile);
}
