/** The gateway's packet filter, as text for `nft`. Pure. */

import { type Cidr, formatCidr } from '../ipam/cidr.ts';

export interface FirewallOptions {
  readonly device: string;
  readonly clusterDevice: string;
  readonly mtu: number;
  readonly probePort: number;
  /** The cluster's own blocks; none on the hub. */
  readonly own: readonly Cidr[];
  readonly globals: readonly Cidr[];
  /** Whether packets of one tunnel may leave by another. */
  readonly mayRelay: boolean;
}

export interface FirewallPlan {
  readonly table: string;
  /** A whole transaction: the table is replaced, never away. */
  readonly ruleset: string;
}

const table = 'nauti_octopus';

/**
 * What passes the gateway: packets between the cluster's own block and those of the others, and nothing else. Nobody
 * reaches the gateway itself, or the networks that it stands in, through a tunnel.
 *
 * SYNs are clamped both ways, for where ICMP is dropped: out of the tunnel device to the route's MTU, into it to its own.
 * nft only ever lowers a segment size.
 */
export function firewallOf(options: FirewallOptions): FirewallPlan {
  const { device, clusterDevice, mtu, probePort, own, globals, mayRelay } = options;
  const tunnel = JSON.stringify(device);
  const pods = JSON.stringify(clusterDevice);
  const lines: string[] = [];
  for (const family of [4, 6] as const) {
    const ip = family === 4 ? 'ip' : 'ip6';
    const mine = setOf(own, family);
    const all = setOf(globals, family);
    if (all === undefined) continue;
    if (mine !== undefined) {
      // Not into our own block from outside of it under an own address: nobody else has one.
      lines.push(
        `iifname ${tunnel} oifname ${pods} ${ip} daddr ${mine} ${ip} saddr ${all} ${ip} saddr != ${mine} accept`,
        `iifname ${pods} oifname ${tunnel} ${ip} saddr ${mine} ${ip} daddr ${all} ${ip} daddr != ${mine} accept`,
      );
    }
    if (mayRelay) {
      lines.push(`iifname ${tunnel} oifname ${tunnel} ${ip} saddr ${all} ${ip} daddr ${all} accept`);
    }
  }
  const errors4 =
    'icmp type { echo-request, echo-reply, destination-unreachable, time-exceeded, parameter-problem } accept';
  const errors6 =
    'icmpv6 type { echo-request, echo-reply, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept';
  const ruleset = `
table inet ${table} {}
delete table inet ${table}
table inet ${table} {
  chain clamp {
    type filter hook forward priority mangle; policy accept;
    oifname ${tunnel} tcp flags syn / syn,rst tcp option maxseg size set rt mtu
    iifname ${tunnel} meta nfproto ipv4 tcp flags syn / syn,rst tcp option maxseg size set ${mtu - 40}
    iifname ${tunnel} meta nfproto ipv6 tcp flags syn / syn,rst tcp option maxseg size set ${mtu - 60}
  }
  chain forwarded {
    type filter hook forward priority filter; policy accept;
    iifname ${tunnel} ${relayedErrors(mayRelay, tunnel, pods)}
    ${lines.join('\n    ')}
    iifname { ${tunnel}, ${pods} } counter drop
    oifname { ${tunnel}, ${pods} } counter drop
  }
  chain inbound {
    type filter hook input priority filter; policy accept;
    iifname ${tunnel} ip6 saddr fe80::/10 udp dport ${probePort} accept
    iifname ${tunnel} ${errors4}
    iifname ${tunnel} ${errors6}
    iifname ${tunnel} counter drop
    iifname ${pods} ${errors4}
    iifname ${pods} icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname ${pods} ${errors6}
    iifname ${pods} counter drop
  }
}
`;
  return { table, ruleset: ruleset.trimStart() };
}

/** The hub's errors come from an address of no block (see hubAddress); they must reach the sender. */
function relayedErrors(mayRelay: boolean, tunnel: string, pods: string): string {
  const out = mayRelay ? `{ ${tunnel}, ${pods} }` : pods;
  return `oifname ${out} ip saddr 169.254.31.82 icmp type { destination-unreachable, time-exceeded } accept`;
}

function setOf(cidrs: readonly Cidr[], family: 4 | 6): string | undefined {
  const texts = cidrs.filter(cidr => cidr.family === family).map(formatCidr);
  return texts.length === 0 ? undefined : `{ ${texts.join(', ')} }`;
}
