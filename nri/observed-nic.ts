/** What is in a network namespace, read from what `ip` and `ethtool` print. */

export interface ObservedLink {
  readonly name: string;
  readonly index: number;
  /** Index of the other end, in that end's namespace. */
  readonly peerIndex: number | undefined;
  readonly kind: string | undefined;
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Whether the kernel answers ARP there. */
  readonly takesArp: boolean;
  /** `10.113.0.5/16`, without those that the kernel makes by itself. */
  readonly addresses: readonly string[];
}

export interface ObservedRoute {
  readonly device: string;
  readonly destination: string;
  readonly gateway: string;
  readonly mtu: number | undefined;
}

export interface ObservedNamespace {
  readonly links: readonly ObservedLink[];
  /** Those by a gateway, of the main table. */
  readonly routes: readonly ObservedRoute[];
  /** Whether the NIC leaves its checksums to others; undefined where nobody asked. */
  readonly leavesChecksums: boolean | undefined;
  /** Whether the NIC believes router advertisements; undefined where nobody asked, or nothing can be done about it. */
  readonly takesRouters: boolean | undefined;
}

/** `ip -json -batch` with these lines prints what {@link readNamespace} reads. */
export const observingLines = ['address show', 'route show table all'] as const;

/** @throws Error where the output is not that of `ip`. */
export function readNamespace(output: string): ObservedNamespace {
  const links: ObservedLink[] = [];
  const routes: ObservedRoute[] = [];
  let leavesChecksums: boolean | undefined;
  let takesRouters: boolean | undefined;
  for (const line of output.split('\n')) {
    const checksums = /^tx-checksumming: (on|off)/.exec(line);
    if (checksums !== null) leavesChecksums = checksums[1] === 'on';
    const routers = /^accept_ra: (\d)/.exec(line);
    if (routers !== null) takesRouters = routers[1] !== '0';
    if (!line.startsWith('[')) continue;
    for (const entry of parseList(line)) {
      const link = readLink(entry);
      if (link !== undefined) links.push(link);
      const route = readRoute(entry);
      if (route !== undefined) routes.push(route);
    }
  }
  return { links, routes, leavesChecksums, takesRouters };
}

function parseList(line: string): readonly Record<string, unknown>[] {
  const list: unknown = JSON.parse(line);
  if (!Array.isArray(list)) throw new TypeError('Cannot read the output of ip as it must be a list');
  return list.filter(
    (entry): entry is Record<string, unknown> => typeof entry === 'object' && entry !== null,
  );
}

function readLink(entry: Record<string, unknown>): ObservedLink | undefined {
  const { ifname, ifindex, link_index, linkinfo, address, mtu, flags, addr_info } = entry;
  if (typeof ifname !== 'string' || typeof ifindex !== 'number') return undefined;
  const kind = (linkinfo as { info_kind?: unknown } | undefined)?.info_kind;
  return {
    name: ifname,
    index: ifindex,
    peerIndex: typeof link_index === 'number' ? link_index : undefined,
    kind: typeof kind === 'string' ? kind : undefined,
    mac: typeof address === 'string' ? address : '',
    mtu: typeof mtu === 'number' ? mtu : 0,
    isUp: Array.isArray(flags) && flags.includes('UP'),
    takesArp: !(Array.isArray(flags) && flags.includes('NOARP')),
    addresses: (Array.isArray(addr_info) ? addr_info : [])
      .filter(({ local, scope }) => typeof local === 'string' && scope !== 'link')
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
  };
}

function readRoute(entry: Record<string, unknown>): ObservedRoute | undefined {
  const { dst, gateway, dev, metrics, table } = entry;
  if (typeof dst !== 'string' || typeof gateway !== 'string' || typeof dev !== 'string') return undefined;
  if (table !== undefined && table !== 'main') return undefined;
  const mtu = (Array.isArray(metrics) ? metrics : []).find(metric => typeof metric?.mtu === 'number')?.mtu;
  return { device: dev, destination: dst, gateway, mtu };
}
