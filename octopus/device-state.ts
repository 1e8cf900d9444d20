/** What the kernel and WireGuard have now, as `wg` and `ip` print it. */

import { runProgram } from './run-program.ts';

export interface PeerState {
  readonly key: string;
  readonly presharedKey?: string;
  readonly endpoint?: string;
  /** Sorted. */
  readonly allowed: readonly string[];
  /** Epoch seconds; 0: never. */
  readonly handshakeAt: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  /** Seconds; 0: off. */
  readonly keepalive: number;
}

export interface WireGuardState {
  readonly privateKey?: string;
  readonly listenPort: number;
  readonly peers: ReadonlyMap<string, PeerState>;
}

export interface RouteState {
  readonly family: 4 | 6;
  readonly to: string;
  readonly kind: 'device' | 'unreachable';
  readonly device?: string;
  readonly mtu?: number;
}

export interface DeviceState {
  readonly wireguard: WireGuardState;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly addresses: readonly string[];
  /** Of the device towards the pods; undefined where there is no such device. */
  readonly clusterAddresses?: readonly string[];
  /** Those that carry our mark. */
  readonly routes: readonly RouteState[];
}

/** The mark of our routes (`proto`), by which those of a former life are known. */
export const routeProtocol = 157;

/**
 * Reads `wg show DEVICE dump`: a line of the device, then one a peer, separated by tabs.
 *
 * @throws RangeError for other text; nothing of it is repeated, as it holds keys.
 */
export function parseDump(text: string): WireGuardState {
  const [first = '', ...lines] = text.trimEnd().split('\n');
  const [privateKey = '', , port = ''] = first.split('\t');
  if (!/^\d+$/.test(port))
    throw new RangeError('Cannot read the state of WireGuard as it must be a dump of wg');
  const peers = lines.map(line => {
    const [key = '', psk = '', endpoint = '', allowed = '', handshake, rx, tx, keepalive = ''] =
      line.split('\t');
    return {
      key,
      ...(psk !== '(none)' && { presharedKey: psk }),
      ...(endpoint !== '(none)' && { endpoint }),
      allowed: allowed === '(none)' ? [] : allowed.split(',').sort(),
      handshakeAt: Number(handshake),
      rxBytes: Number(rx),
      txBytes: Number(tx),
      keepalive: keepalive === 'off' ? 0 : Number(keepalive),
    };
  });
  return {
    ...(privateKey !== '(none)' && { privateKey }),
    listenPort: Number(port),
    peers: new Map(peers.map(peer => [peer.key, peer])),
  };
}

interface IpAddress {
  readonly ifname?: string;
  readonly mtu?: number;
  readonly flags?: readonly string[];
  readonly addr_info?: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope?: string;
  }[];
}

interface IpRoute {
  readonly dst: string;
  readonly type?: string;
  readonly dev?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
}

/** Reads what `ip -j -batch` prints: one JSON document a command. */
export function parseIpBatch(text: string): unknown[] {
  return text
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => JSON.parse(line) as unknown);
}

function routesIn(documents: readonly unknown[], family: 4 | 6): RouteState[] {
  return (documents as IpRoute[][]).flat().map(({ dst, type, dev, metrics }) => {
    const mtu = metrics?.find(metric => metric.mtu !== undefined)?.mtu;
    const bits = family === 4 ? 32 : 128;
    const to =
      dst === 'default' ? (family === 4 ? '0.0.0.0/0' : '::/0') : dst.includes('/') ? dst : `${dst}/${bits}`;
    return {
      family,
      to,
      kind: type === 'unreachable' ? 'unreachable' : 'device',
      ...(type !== 'unreachable' && dev !== undefined && { device: dev }),
      ...(mtu !== undefined && { mtu }),
    };
  });
}

function addressesOf({ addr_info = [] }: IpAddress): string[] {
  return addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`).sort();
}

/** Reads everything that a plan is compared with; three programs at once. */
export async function readDevice(
  { device, clusterDevice }: { readonly device: string; readonly clusterDevice: string },
  signal?: AbortSignal,
): Promise<DeviceState> {
  const shown = `route show table main proto ${routeProtocol}`;
  const [dump, ip4, routes6] = await Promise.all([
    runProgram('wg', ['show', device, 'dump'], { signal }),
    runProgram('ip', ['-j', '-batch', '-'], { input: `address show\n${shown}\n`, signal }),
    // A kernel without IPv6 has no such routes.
    runProgram('ip', ['-6', '-j', ...shown.split(' ')], { signal }).catch(() => ''),
  ]);
  const [links = [], routes4 = []] = parseIpBatch(ip4) as [IpAddress[]?, unknown?];
  const own = links.find(({ ifname }) => ifname === device);
  if (own === undefined) throw new Error(`Cannot read the device as ${device} must exist`);
  const cluster = links.find(({ ifname }) => ifname === clusterDevice);
  return {
    wireguard: parseDump(dump),
    mtu: own.mtu ?? 0,
    isUp: own.flags?.includes('UP') ?? false,
    addresses: addressesOf(own),
    ...(cluster && { clusterAddresses: addressesOf(cluster) }),
    routes: [...routesIn([routes4], 4), ...routesIn(parseIpBatch(routes6), 6)],
  };
}

async function readLinks(signal?: AbortSignal): Promise<IpAddress[]> {
  return parseIpBatch(await runProgram('ip', ['-j', 'address', 'show'], { signal })).flat() as IpAddress[];
}

/** Of a device, and of addresses with prefix length on another one, those that there are. */
export async function readLeftovers(looked: {
  readonly device: string;
  readonly clusterDevice: string;
  readonly addresses: readonly string[];
}): Promise<readonly string[]> {
  const links = await readLinks();
  const cluster = links.find(({ ifname }) => ifname === looked.clusterDevice);
  const held = cluster === undefined ? [] : addressesOf(cluster);
  return [
    ...links.flatMap(({ ifname }) => (ifname === looked.device ? [looked.device] : [])),
    ...looked.addresses.filter(address => held.includes(address)),
  ];
}

/** What the underlay is like: of the route by which most of the world is reached. */
export async function readUnderlay(
  device: string | undefined,
  signal?: AbortSignal,
): Promise<
  { readonly device: string; readonly mtu: number; readonly addresses: readonly string[] } | undefined
> {
  const defaults = (family: 4 | 6) =>
    runProgram('ip', [`-${family}`, '-j', 'route', 'show', 'default'], { signal }).catch(() => '');
  const [links, routes4, routes6] = await Promise.all([readLinks(signal), defaults(4), defaults(6)]);
  const routes = [...parseIpBatch(routes4), ...parseIpBatch(routes6)].flat() as IpRoute[];
  const name = device ?? routes.find(({ dev }) => dev !== undefined)?.dev;
  const found = links.find(({ ifname }) => ifname === name);
  if (name === undefined || found?.mtu === undefined) return undefined;
  const addresses = (found.addr_info ?? [])
    .filter(({ scope }) => scope === 'global')
    .map(({ local }) => local);
  return { device: name, mtu: found.mtu, addresses };
}
