import type { NicRepair } from './nic-repair.ts';
import { nodeDevice } from './node-device.ts';
import { type FirewallListing, firewallTable, readListing } from './node-firewall.ts';
import { type ObservedNamespace, observingLines, readNamespace } from './observed-nic.ts';
import { runProgram } from './program.ts';

/** Stands between what `ip` and `ethtool` print and what `nft` does. */
const rulesBelow = '-- rules --';

// The scripts are constant; what varies is lines of numbers on standard input.
const observeScript = `ip -json -details -force -batch - && { ethtool -k ${nodeDevice} 2>/dev/null | grep ^tx-checksumming || :; } &&
echo '${rulesBelow}' && { nft list table inet ${firewallTable} 2>/dev/null || :; }`;
/** `-force`: where the node has no IPv6, the rest is done all the same; the exit code tells. */
const repairScript = `ip -force -batch -; code=$?; test "$0" = false || ethtool -K ${nodeDevice} tx off >/dev/null || code=$?; exit $code`;

export interface ObservedNode {
  readonly host: ObservedNamespace;
  /** Undefined where there is no such table. */
  readonly firewall: FirewallListing | undefined;
}

/** The node's own network, as far as the node's device needs it: by one process tree a look, and one a repair. */
export class NodeNetwork {
  async observe(signal: AbortSignal): Promise<ObservedNode> {
    const input = observingLines.map(line => `${line}\n`).join('');
    const output = await runProgram('sh', ['-c', observeScript], { input, signal });
    const [host = '', listing = ''] = output.split(`${rulesBelow}\n`);
    return {
      host: readNamespace(host),
      firewall: listing.trim() === '' ? undefined : readListing(listing),
    };
  }

  async repair({ lines, checksums }: NicRepair, signal: AbortSignal): Promise<void> {
    const input = lines.map(line => `${line}\n`).join('');
    await runProgram('sh', ['-c', repairScript, String(checksums)], { input, signal });
  }

  /** Replaces the rules, in one transaction. */
  async setFirewall(ruleset: string, signal: AbortSignal): Promise<void> {
    await runProgram('nft', ['-f', '-'], { input: ruleset, signal });
  }
}
