/** What must be done so that a device is as planned, and nothing that would touch what is right. Pure. */

import {
  type DeviceState,
  type PeerState,
  type RouteState,
  routeProtocol,
  type WireGuardState,
} from './device-state.ts';
import type { DevicePlan, PlannedPeer, PlannedRoute } from './plan.ts';

/** One run of `wg`. */
export interface WgCommand {
  readonly args: readonly string[];
  /** For standard input: keys are nowhere else. */
  readonly input?: string;
}

export interface DeviceChanges {
  readonly wg: readonly WgCommand[];
  /** Lines for `ip -batch`, the routes last. */
  readonly ip: readonly string[];
  /** Endpoints that are set by this, by cluster id. */
  readonly endpoints: ReadonlyMap<string, string>;
}

export interface DiffInputs {
  readonly plan: DevicePlan;
  readonly state: DeviceState;
  readonly privateKey: string;
  /** The endpoint that we set last, by cluster id. */
  readonly lastEndpoints: ReadonlyMap<string, string>;
  /** Clusters whose tunnel does not work: their endpoint is set anew. */
  readonly dead: ReadonlySet<string>;
  /** Clusters whose session is made anew, to the endpoint that is planned. */
  readonly stale: ReadonlySet<string>;
}

/** Metric of our unreachable routes: behind every other. */
const lastMetric = 4_278_198_272;

/** A command line has an end; so many peers fit into it with room to spare. */
const peersPerCommand = 200;

export function diffDevice(inputs: DiffInputs): DeviceChanges {
  const { plan, state } = inputs;
  const endpoints = new Map<string, string>();
  return {
    wg: diffWireGuard(inputs, endpoints),
    ip: [...diffLink(plan, state), ...diffRoutes(plan, state)],
    endpoints,
  };
}

function diffWireGuard(
  { plan, state, privateKey, lastEndpoints, dead, stale }: DiffInputs,
  endpoints: Map<string, string>,
) {
  const { wireguard } = state;
  const commands: WgCommand[] = [];
  /** Sections of a configuration. */
  const added: string[] = [];
  const { device } = plan;
  const isKeyNew = wireguard.privateKey !== privateKey;
  const isPortNew = wireguard.listenPort !== plan.listenPort;
  // A device that has nothing gets all in one run.
  const isEmpty = isKeyNew && wireguard.peers.size === 0 && plan.peers.length > 0;
  if (isEmpty) added.push(interfaceSection(privateKey, plan.listenPort));
  else if (isKeyNew) {
    const port = isPortNew ? ['listen-port', String(plan.listenPort)] : [];
    commands.push({ args: ['set', device, ...port, 'private-key', '/dev/stdin'], input: `${privateKey}\n` });
  } else if (isPortNew) {
    commands.push({ args: ['set', device, 'listen-port', String(plan.listenPort)] });
  }
  const wanted = new Set(plan.peers.map(({ key }) => key));
  const gone = [...wireguard.peers.values()].filter(({ key }) => !wanted.has(key));
  const replaced = new Set<string>();
  const changed: string[][] = [];
  for (const peer of plan.peers) {
    const current = wireguard.peers.get(peer.key);
    if (current === undefined) {
      const former = formerOf(peer, gone);
      const endpoint = peer.endpoint ?? former?.endpoint;
      if (peer.endpoint !== undefined) endpoints.set(peer.id, peer.endpoint);
      if (former === undefined) {
        added.push(peerSection(peer, endpoint));
        continue;
      }
      // A changed key: the former and the new one change places in one step.
      replaced.add(former.key);
      commands.push(replacement(device, former.key, peer, endpoint));
      continue;
    }
    // Behind another endpoint may be another gateway, which knows nothing of the session.
    const last = lastEndpoints.get(peer.id);
    const hasMoved = last !== undefined && last !== peer.endpoint && current.endpoint !== peer.endpoint;
    if (peer.endpoint !== undefined && (stale.has(peer.id) || hasMoved)) {
      endpoints.set(peer.id, peer.endpoint);
      commands.push(replacement(device, peer.key, peer, peer.endpoint));
      continue;
    }
    if (current.presharedKey !== peer.presharedKey) {
      added.push(peerSection(peer, peer.endpoint ?? current.endpoint));
      continue;
    }
    const endpoint = endpointToSet(peer, current, dead.has(peer.id));
    if (peer.endpoint !== undefined && (endpoint !== undefined || !lastEndpoints.has(peer.id))) {
      endpoints.set(peer.id, peer.endpoint);
    }
    const args = [
      ...(endpoint === undefined ? [] : ['endpoint', endpoint]),
      ...(current.keepalive === peer.keepalive ? [] : ['persistent-keepalive', String(peer.keepalive)]),
      ...(current.allowed.join() === peer.allowed.join() ? [] : ['allowed-ips', peer.allowed.join(',')]),
    ];
    if (args.length > 0) changed.push(['peer', peer.key, ...args]);
  }
  // Whoever loses a block first, then those that get it; a block that two claim moves to the one that comes later.
  const removed = gone.filter(({ key }) => !replaced.has(key)).map(({ key }) => ['peer', key, 'remove']);
  for (const batch of batches([...removed, ...changed])) {
    commands.push({ args: ['set', device, ...batch.flat()] });
  }
  if (added.length > 0) commands.push({ args: ['addconf', device, '/dev/stdin'], input: added.join('\n') });
  return commands;
}

/**
 * When an endpoint is set that did not change. One that WireGuard has learned is better: it was learned from a packet
 * that only the peer could send.
 */
function endpointToSet(peer: PlannedPeer, current: PeerState, isDead: boolean): string | undefined {
  if (peer.endpoint === undefined || peer.endpoint === current.endpoint) return undefined;
  return current.endpoint === undefined || isDead ? peer.endpoint : undefined;
}

/** The peer that was this cluster under another key: it has the same address inside the tunnel. */
function formerOf(peer: PlannedPeer, gone: readonly PeerState[]): PeerState | undefined {
  const address = peer.allowed.find(text => text.startsWith('fe80:'));
  return address === undefined ? undefined : gone.find(({ allowed }) => allowed.includes(address));
}

function replacement(
  device: string,
  former: string,
  peer: PlannedPeer,
  endpoint: string | undefined,
): WgCommand {
  const { key, presharedKey, keepalive, allowed } = peer;
  return {
    args: [
      ...['set', device, 'peer', former, 'remove', 'peer', key],
      ...(presharedKey === undefined ? [] : ['preshared-key', '/dev/stdin']),
      ...(endpoint === undefined ? [] : ['endpoint', endpoint]),
      ...['persistent-keepalive', String(keepalive), 'allowed-ips', allowed.join(',')],
    ],
    ...(presharedKey !== undefined && { input: `${presharedKey}\n` }),
  };
}

function interfaceSection(privateKey: string, listenPort: number): string {
  return ['[Interface]', `PrivateKey = ${privateKey}`, `ListenPort = ${listenPort}`, ''].join('\n');
}

/** As wg(8) has it under CONFIGURATION FILE FORMAT. */
export function peerSection(peer: PlannedPeer, endpoint = peer.endpoint): string {
  return [
    '[Peer]',
    `PublicKey = ${peer.key}`,
    // The key of zeros takes one away.
    `PresharedKey = ${peer.presharedKey ?? `${'A'.repeat(43)}=`}`,
    `AllowedIPs = ${peer.allowed.join(', ')}`,
    ...(endpoint === undefined ? [] : [`Endpoint = ${endpoint}`]),
    `PersistentKeepalive = ${peer.keepalive}`,
    '',
  ].join('\n');
}

function batches<T>(list: readonly T[]): T[][] {
  const result: T[][] = [];
  for (let at = 0; at < list.length; at += peersPerCommand) result.push(list.slice(at, at + peersPerCommand));
  return result;
}

function diffLink(plan: DevicePlan, state: DeviceState): string[] {
  const { device } = plan;
  const missing = (wanted: readonly string[], found: readonly string[]) =>
    wanted.filter(one => !found.includes(one));
  const lines: string[] = [];
  if (state.mtu !== plan.mtu) lines.push(`link set dev ${device} mtu ${plan.mtu}`);
  for (const address of missing(state.addresses, plan.addresses))
    lines.push(`address del ${address} dev ${device}`);
  for (const address of missing(plan.addresses, state.addresses)) lines.push(addAddress(address, device));
  // The kernel would give it a link-local address of its own besides.
  if (!state.isUp) lines.push(`link set dev ${device} addrgenmode none`, `link set dev ${device} up`);
  return lines;
}

/** Nobody answers for an address twice in a tunnel: nodad lets it be used at once. */
function addAddress(address: string, device: string): string {
  return `address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`;
}

function diffRoutes(plan: DevicePlan, state: DeviceState): string[] {
  const key = (route: PlannedRoute | RouteState) => `${route.kind} ${route.to}`;
  const wanted = new Map(plan.routes.map(route => [key(route), route]));
  const lines: string[] = [];
  const found = new Map<string, RouteState>();
  for (const route of state.routes) {
    const isWrong = !wanted.has(key(route)) || (route.kind === 'device' && route.device !== plan.device);
    if (isWrong) lines.push(`route del ${routeText(route, route.device ?? plan.device)}`);
    else found.set(key(route), route);
  }
  for (const [name, route] of wanted) {
    const current = found.get(name);
    if (current !== undefined && current.mtu === route.mtu) continue;
    const mtu = route.mtu === undefined ? '' : ` mtu ${route.mtu}`;
    lines.push(`route replace ${routeText(route, plan.device)}${mtu}`);
  }
  return lines;
}

function routeText({ kind, to }: PlannedRoute | RouteState, device: string): string {
  return kind === 'unreachable'
    ? `unreachable ${to} proto ${routeProtocol} metric ${lastMetric}`
    : `${to} dev ${device} proto ${routeProtocol}`;
}

/** Clusters of the plan by key, with what WireGuard knows of them. */
export function peersById(plan: DevicePlan, wireguard: WireGuardState): ReadonlyMap<string, PeerState> {
  return new Map(
    plan.peers.flatMap(({ id, key }) => {
      const state = wireguard.peers.get(key);
      return state === undefined ? [] : [[id, state] as const];
    }),
  );
}
