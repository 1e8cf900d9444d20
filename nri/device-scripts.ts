/** What a shell does with a device, in the pod's network namespace or the node's. The scripts are constant. */

import type { NicRepair } from './nic-repair.ts';

/**
 * Prints what `readNamespace` reads: its standard input is the observing lines, its word the sysctl directory, if any.
 *
 * `read` ends with an error at what sysctl files give it, a digit without an end of line, and has the digit all the same:
 * this is run every few seconds, and `cat` would be a process more.
 */
export function observingScript(device: string): string {
  return `ip -json -details -force -batch - && { ethtool -k ${device} 2>/dev/null | grep ^tx-checksumming || :; } || exit
routers="$0/ipv6/conf/${device}/accept_ra"
if test -n "$0" && test -e "$routers"; then read -r taken <"$routers"; echo "accept_ra: $taken"; fi`;
}

/**
 * Does a repair: {@link repairWords} are its words, the lines its standard input. All is tried, whatever fails; the exit
 * code tells.
 */
export function repairingScript(device: string): string {
  return `ip -force -batch -; code=$?
test "$0" = false || ethtool -K ${device} tx off >/dev/null || code=$?
test -z "$1" || echo 0 >"$1/ipv6/conf/${device}/accept_ra" || code=$?
exit $code`;
}

/** @param sysctl directory; empty where there is nothing to set. */
export function repairWords({ checksums, routers }: NicRepair, sysctl: string): string[] {
  return [String(checksums), routers ? sysctl : ''];
}

/** The standard input of a script. */
export function inputOf(lines: readonly string[]): string {
  return lines.map(line => `${line}\n`).join('');
}
