/** What may pass the node's own device, as text for `nft`. Pure. */

import { interfacePrefix } from './interface-name.ts';

/** The table, of the family `inet`. */
export const firewallTable = 'nauti';

/**
 * What leaves by the device carries an address of it, or the answer would not come back: before kube-proxy's own rules,
 * which would take another one. What comes in by it must belong to what left: the pods of other clusters reach neither
 * the node nor, through it, the first network of its pods. Of IPv6, neighbours must find each other; router
 * advertisements are dropped with the rest.
 *
 * The text is one transaction: it replaces the table, which is never away.
 *
 * @param addresses those of the device, one of each family at most, without prefixes.
 */
export function firewallOf(device: string, addresses: readonly string[]): string {
  const name = JSON.stringify(device);
  const masquerade = addresses.map(address =>
    address.includes(':')
      ? `oifname ${name} ip6 saddr != { ${address}, fe80::/10 } masquerade`
      : `oifname ${name} ip saddr != ${address} masquerade`,
  );
  return tableOf(`
  chain post {
    type nat hook postrouting priority srcnat - 5; policy accept;
    ${masquerade.join('\n    ')}
  }
  chain forwarded {
    type filter hook forward priority filter; policy accept;
    iifname ${name} ct state established,related accept
    iifname ${name} counter drop
  }
  chain inbound {
    type filter hook input priority filter; policy accept;
    iifname ${name} ct state established,related accept
    iifname ${name} icmp type { echo-request, destination-unreachable } accept
    iifname ${name} icmpv6 type { echo-request, destination-unreachable, packet-too-big, nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname ${name} counter drop
  }`);
}

/** The rules of a node without a device of its own. */
export const firewallWithoutDevice = tableOf('');

/**
 * Where the datapath is in user space the node's kernel sees what comes out of the pods' second NICs too, as their ends
 * are devices of its own: none of it is the kernel's business, and it would lead past the switch and all other rules.
 */
function tableOf(chains: string): string {
  return `table inet ${firewallTable} {}
delete table inet ${firewallTable}
table inet ${firewallTable} {
  chain from_pods {
    type filter hook prerouting priority raw; policy accept;
    iifname "${interfacePrefix}*" drop
  }${chains}
}
`;
}

/** What `nft list table` printed. */
export interface FirewallListing {
  /** Without the counters, which change by themselves. */
  readonly rules: string;
  /** Packets that were dropped, by chain. */
  readonly dropped: ReadonlyMap<string, number>;
}

export function readListing(text: string): FirewallListing {
  const dropped = new Map<string, number>();
  let chain = '';
  for (const line of text.split('\n')) {
    chain = /^\s*chain (\w+) \{/.exec(line)?.[1] ?? chain;
    const packets = /counter packets (\d+) bytes \d+ drop/.exec(line)?.[1];
    if (packets !== undefined) dropped.set(chain, (dropped.get(chain) ?? 0) + Number(packets));
  }
  return { rules: text.replace(/counter packets \d+ bytes \d+/g, 'counter').trim(), dropped };
}
