import type { FileHandle } from 'node:fs/promises';
import { openNetns } from './netns.ts';
import { type NicPlan, podDevice } from './nic-plan.ts';
import { type NicRepair, setUpLines } from './nic-repair.ts';
import { type ObservedNamespace, observingLines, readNamespace } from './observed-nic.ts';
import { ProgramError, runProgram } from './program.ts';

// The scripts are constant; what varies are arguments made of numbers, and file 3: the pod's network namespace.

/**
 * The node's own kernel sees what a pod sends too, where the datapath is in user space: it must not answer for addresses of
 * the node, or pods would reach it past the switch.
 *
 * $1 host's device, $2 MTU, $3 MAC, $4 whether the pod calculates checksums; standard input: lines for the pod's side.
 */
const makeScript = `ip link add name "$1" mtu "$2" arp off up type veth peer name ${podDevice} address "$3" mtu "$2" netns /proc/self/fd/3 &&
exec nsenter --net=/proc/self/fd/3 sh -c 'ip -batch - && { test "$0" = false || exec ethtool -K ${podDevice} tx off >/dev/null; }' "$4"`;
const repairScript = `ip -batch - && { test "$0" = false || exec ethtool -K ${podDevice} tx off >/dev/null; }`;
const observeScript = `ip -json -details -force -batch - && { ethtool -k ${podDevice} 2>/dev/null | grep ^tx-checksumming || :; }`;

/**
 * The devices on both ends of the pods' NICs.
 *
 * One process a pod for each of make, repair and observe: a NIC is made with one start of `sh`, `ip` and `nsenter`.
 */
export class PodDevices {
  readonly #directories: readonly string[];

  /** @param directories where pods' network namespaces may be. */
  constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  /** Opens a pod's network namespace. @throws NetnsError, ENOENT. */
  open(path: string): Promise<FileHandle> {
    return openNetns(path, this.#directories);
  }

  /** Makes a veth: its host end named, its other end in the pod, set up. @throws ProgramError */
  async make(hostDevice: string, plan: NicPlan, netns: FileHandle, signal: AbortSignal): Promise<void> {
    const { mtu, mac, ownChecksums } = plan;
    const words = [hostDevice, String(mtu), mac, String(ownChecksums)];
    await runProgram('sh', ['-c', makeScript, 'sh', ...words], {
      input: text(setUpLines(plan)),
      files: [netns.fd],
      signal,
    });
  }

  async repair({ lines, checksums }: NicRepair, netns: FileHandle, signal: AbortSignal): Promise<void> {
    await this.#inPod(repairScript, [String(checksums)], lines, netns, signal);
  }

  async observe(netns: FileHandle, signal: AbortSignal): Promise<ObservedNamespace> {
    return readNamespace(await this.#inPod(observeScript, [], observingLines, netns, signal));
  }

  /** Deletes the pod's device, whoever made it. */
  async deleteInPod(netns: FileHandle, signal: AbortSignal): Promise<void> {
    await this.#inPod(repairScript, ['false'], [`link del dev ${podDevice}`], netns, signal);
  }

  /** What the node itself has. */
  async observeHost(signal: AbortSignal): Promise<ObservedNamespace> {
    const lines = text(observingLines);
    return readNamespace(
      await runProgram('ip', ['-json', '-details', '-force', '-batch', '-'], { input: lines, signal }),
    );
  }

  async changeOnHost(lines: readonly string[], signal: AbortSignal): Promise<void> {
    await runProgram('ip', ['-batch', '-'], { input: text(lines), signal });
  }

  /** Deletes devices of the node; those that are gone already are no failure. */
  async deleteOnHost(devices: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      const input = text(devices.map(device => `link del dev ${device}`));
      await runProgram('ip', ['-force', '-batch', '-'], { input, signal });
    } catch (error) {
      if (!(error instanceof ProgramError) || !/Cannot find device/.test(error.message)) throw error;
    }
  }

  #inPod(
    script: string,
    words: readonly string[],
    lines: readonly string[],
    netns: FileHandle,
    signal: AbortSignal,
  ): Promise<string> {
    return runProgram('nsenter', ['--net=/proc/self/fd/3', 'sh', '-c', script, ...words], {
      input: text(lines),
      files: [netns.fd],
      signal,
    });
  }
}

function text(lines: readonly string[]): string {
  return lines.map(line => `${line}\n`).join('');
}
