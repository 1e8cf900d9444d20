import { isIPv4, isIPv6 } from 'node:net';
import { conditions } from './conditions.ts';
import { cidr, clusterId, portNumber, timestamp } from './legal-names.ts';
import type { Condition } from './meta.ts';
import { type Meta, meta } from './object-meta.ts';
import {
  anyText,
  boolean,
  type Field,
  integer,
  listOf,
  objectOf,
  objectOrEmpty,
  oneOf,
  optional,
  optionalText,
  parserOf,
  textThat,
  withDefault,
} from './parse.ts';

/** octopus.io Peer: a cluster as the others' gateways see it. Its field names are the contract's. */
export interface Peer {
  readonly metadata: Meta;
  readonly spec: PeerSpec;
  readonly status: PeerStatus;
}

export interface PeerSpec {
  /** Also the object's name. */
  readonly cluster_id: string;
  /** Set by the hub alone; the hub's own Peer has the global CIDR. Empty until one is given. */
  readonly cluster_cidr: readonly string[];
  /** Where its gateway can be dialled: an address or a DNS name. Absent: it dials, and is never dialled. */
  readonly endpoint?: string;
  /** UDP; absent: the contract's 31820. */
  readonly port?: number;
  /** WireGuard's: base64 of 32 bytes. Absent until the cluster's gateway has run. */
  readonly public_key?: string;
  /** The key that the gateway will change to: told before it is used, so that no packet is lost by the change. */
  readonly next_public_key?: string;
  readonly ishub: boolean;
  /** Others may dial it. */
  readonly isPublic: boolean;
}

export interface PeerStatus {
  readonly conditions: readonly Condition[];
  /** What the cluster's gateway measures, one entry a tunnel. */
  readonly tunnels: readonly Tunnel[];
}

/** Types of the conditions that the hub writes. */
export const peerConditions = {
  /** Whether the cluster renews its lease. */
  alive: 'Alive',
  /** Whether the cluster has a CIDR, and in the message whether it is the one asked for. */
  cidrGiven: 'CidrGiven',
} as const;

/** Types of the conditions that the hub's gateway writes. */
export const gatewayConditions = {
  /** Whether the Peer is believed; where not, the message says why. */
  tunnelAccepted: 'TunnelAccepted',
  /** Whether the cluster's gateway answered within the last minute. */
  gatewayReady: 'GatewayReady',
} as const;

export interface Tunnel {
  /** The cluster at the other end. */
  readonly cluster_id: string;
  readonly state: 'Connecting' | 'Connected' | 'Failed';
  readonly endpoint?: string;
  readonly last_handshake?: string;
  /** Round-trip times in microseconds. */
  readonly rtt_min_us?: number;
  readonly rtt_avg_us?: number;
  readonly rtt_max_us?: number;
  /** Part of the last probes that no answer came to, in percent. */
  readonly loss_percent?: number;
  readonly rx_bytes?: number;
  readonly tx_bytes?: number;
  /** How packets for that cluster travel: by this tunnel, or by the hub. */
  readonly path?: 'Direct' | 'Relayed';
  readonly message?: string;
}

/** Base64 of 32 bytes, as `wg pubkey` prints it; the last character before the pad carries only 4 bits. */
const publicKey = textThat(
  'a WireGuard public key: base64 of 32 bytes',
  text => /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text),
  44,
);

const hostName =
  /^[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$/;

/** No spaces, quotes or line ends: it goes into configurations and command lines. */
const endpoint = textThat('an IP address or a DNS name', isHost, 253);

function isHost(text: string): boolean {
  // A name of digits and dots only would be an address that is not one.
  return (
    isIPv4(text) || (isIPv6(text) && !text.includes('%')) || (hostName.test(text) && /[A-Za-z]/.test(text))
  );
}

const rtt = optional(integer(0, 3_600_000_000));
const bytes = optional(integer(0, Number.MAX_SAFE_INTEGER));

const peer: Field<Peer> = objectOf({
  metadata: meta,
  spec: objectOf({
    cluster_id: clusterId,
    cluster_cidr: listOf(cidr, { max: 16 }),
    endpoint: optionalText(endpoint),
    port: optional(portNumber),
    public_key: optionalText(publicKey),
    next_public_key: optionalText(publicKey),
    ishub: withDefault(boolean, false),
    isPublic: withDefault(boolean, false),
  }),
  status: objectOrEmpty({
    conditions,
    tunnels: listOf(
      objectOf({
        cluster_id: clusterId,
        state: oneOf('Connecting', 'Connected', 'Failed'),
        endpoint: optionalText(anyText),
        last_handshake: optional(timestamp),
        rtt_min_us: rtt,
        rtt_avg_us: rtt,
        rtt_max_us: rtt,
        loss_percent: optional(integer(0, 100)),
        rx_bytes: bytes,
        tx_bytes: bytes,
        path: optional(oneOf('Direct', 'Relayed')),
        message: optionalText(anyText),
      }),
      { max: 1024 },
    ),
  }),
});

/** @throws UnreadableError that names the field. */
export const parsePeer: (raw: unknown) => Peer = parserOf('Peer', peer);
