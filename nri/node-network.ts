import { inputOf, observingScript, repairingScript, repairWords } from './device-scripts.ts';
import type { NicRepair } from './nic-repair.ts';
import { nodeDevice } from './node-device.ts';
import { type FirewallListing, firewallTable, readListing } from './node-firewall.ts';
import { type ObservedNamespace, observingLines, readNamespace } from './observed-nic.ts';
import { runProgram } from './program.ts';

/** Stands between what `ip` and `ethtool` print and what `nft` does. */
const rulesBelow = '-- rules --';

// The scripts are constant; what varies is lines of numbers on standard input.
const observeScript = `${observingScript(nodeDevice)}
echo '${rulesBelow}' && { nft list table inet ${firewallTable} 2>/dev/null || :; }`;
const repairScript = repairingScript(nodeDevice);

export interface ObservedNode {
  readonly host: ObservedNamespace;
  /** Undefined where there is no such table. */
  readonly firewall: FirewallListing | undefined;
}

/** The node's own network, as far as the node's device needs it: by one process tree a look, and one a repair. */
export class NodeNetwork {
  readonly #sysctl: string;

  /** @param sysctl what {@link findNetSysctl} found. */
  constructor(sysctl: string) {
    this.#sysctl = sysctl;
  }

  async observe(signal: AbortSignal): Promise<ObservedNode> {
    const input = inputOf(observingLines);
    const output = await runProgram('sh', ['-c', observeScript, this.#sysctl], { input, signal });
    const [host = '', listing = ''] = output.split(`${rulesBelow}\n`);
    return {
      host: readNamespace(host),
      firewall: listing.trim() === '' ? undefined : readListing(listing),
    };
  }

  async repair(repair: NicRepair, signal: AbortSignal): Promise<void> {
    const input = inputOf(repair.lines);
    await runProgram('sh', ['-c', repairScript, ...repairWords(repair, this.#sysctl)], { input, signal });
  }

  /** Replaces the rules, in one transaction. */
  async setFirewall(ruleset: string, signal: AbortSignal): Promise<void> {
    await runProgram('nft', ['-f', '-'], { input: ruleset, signal });
  }
}
