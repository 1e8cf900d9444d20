import { inputOf, observingScript, repairingScript, repairWords } from './device-scripts.ts';
import { type Netns, openNetns } from './netns.ts';
import { type NicPlan, podDevice } from './nic-plan.ts';
import { type NicRepair, setUpLines } from './nic-repair.ts';
import { type ObservedNamespace, observingLines, readNamespace } from './observed-nic.ts';
import { ProgramError, ReadyProgram, runProgram } from './program.ts';

// The scripts are constant; what varies are arguments made of numbers, and file 3: the pod's network namespace.

/**
 * The pod's side, which waits for a line until the device is there. Its words: the sysctl directory, whether the pod must
 * calculate checksums itself; lines for `ip` in file 4. `ethtool` takes as long as `ip`, so both work at once.
 *
 * No router is asked for, no advertisement of one believed: any pod could send them (CVE-2020-10749). Addresses are OVN's
 * to give, so nobody is asked whether they are taken. Both questions would go to every port of the network.
 *
 * It is quoted by single quotes: it must have none.
 */
const setUpScript = `read -r _ || exit
test -z "$0" || for name in accept_ra dad_transmits; do echo 0 >"$0/ipv6/conf/${podDevice}/$name"; done
if test "$1" = true; then ethtool -K ${podDevice} tx off >/dev/null & fi
ip -batch - <&4 && wait $!`;
/**
 * Its first line of input: the host's device, MTU, MAC, whether the pod must calculate checksums itself, where the open
 * network namespace is found, and the sysctl directory, if any; then lines for the pod's side. It prints a word when the
 * device is there on the node. Both sides start at once, as starting takes them longer than what they do.
 *
 * The node's own kernel sees what a pod sends too, where the datapath is in user space: it must not answer for addresses of
 * the node, or pods would reach it past the switch. It needs no address there itself.
 */
const makeScript = `read -r device mtu mac checksums netns sysctl || exit 0
exec 3<"$netns" 4<&0 5>&1 || exit
{ ip -batch - <<END && echo made >&5 && echo
link add name $device mtu $mtu arp off type veth peer name ${podDevice} address $mac mtu $mtu netns /proc/self/fd/3
\${sysctl:+link set dev $device addrgenmode none}
link set dev $device up
END
} | nsenter --net=/proc/self/fd/3 sh -c '${setUpScript}' "$sysctl" "$checksums"`;
const repairScript = repairingScript(podDevice);
const observeScript = observingScript(podDevice);

/**
 * The devices on both ends of the pods' NICs.
 *
 * One call a pod for each of make, repair and observe; the shell that makes a NIC was started when the one before was made.
 */
export class PodDevices implements Disposable {
  readonly #directories: readonly string[];
  readonly #sysctl: string;
  readonly #maker = new ReadyProgram('sh', ['-c', makeScript]);

  /**
   * @param directories where pods' network namespaces may be.
   * @param sysctl what {@link findNetSysctl} found.
   */
  constructor(directories: readonly string[], sysctl: string) {
    this.#directories = directories;
    this.#sysctl = sysctl;
  }

  /** Opens a pod's network namespace. @throws NetnsError, ENOENT. */
  open(path: string): Netns {
    return openNetns(path, this.#directories);
  }

  /**
   * Makes a veth: its host end named, its other end in the pod, set up.
   *
   * @param onHost what is to be done with the host's end, while the pod's is set up; its end is waited for.
   * @throws ProgramError; what `onHost` rejects with.
   */
  async make(
    hostDevice: string,
    plan: NicPlan,
    netns: Netns,
    signal: AbortSignal,
    onHost: () => Promise<void>,
  ): Promise<void> {
    const { mtu, mac, ownChecksums } = plan;
    // A process that was started before cannot be given an open file; this one holds it until the end.
    const fd = `/proc/${process.pid}/fd/${netns.fd}`;
    const words = [hostDevice, mtu, mac, ownChecksums, fd, this.#sysctl];
    let beside: Promise<void> | undefined;
    const begin = () => {
      beside = onHost();
      beside.catch(() => {});
    };
    try {
      await this.#maker.run(inputOf([words.join(' '), ...setUpLines(plan)]), signal, begin);
    } finally {
      await beside;
    }
  }

  async repair(repair: NicRepair, netns: Netns, signal: AbortSignal): Promise<void> {
    await this.#inPod(repairScript, repairWords(repair, this.#sysctl), repair.lines, netns, signal);
  }

  async observe(netns: Netns, signal: AbortSignal): Promise<ObservedNamespace> {
    return readNamespace(await this.#inPod(observeScript, [this.#sysctl], observingLines, netns, signal));
  }

  /** Deletes the pod's device, whoever made it. */
  async deleteInPod(netns: Netns, signal: AbortSignal): Promise<void> {
    await this.#inPod(repairScript, ['false', ''], [`link del dev ${podDevice}`], netns, signal);
  }

  /** What the node itself has. */
  async observeHost(signal: AbortSignal): Promise<ObservedNamespace> {
    const lines = inputOf(observingLines);
    return readNamespace(
      await runProgram('ip', ['-json', '-details', '-force', '-batch', '-'], { input: lines, signal }),
    );
  }

  async changeOnHost(lines: readonly string[], signal: AbortSignal): Promise<void> {
    await runProgram('ip', ['-batch', '-'], { input: inputOf(lines), signal });
  }

  /** Deletes devices of the node; those that are gone already are no failure. */
  async deleteOnHost(devices: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      const input = inputOf(devices.map(device => `link del dev ${device}`));
      await runProgram('ip', ['-force', '-batch', '-'], { input, signal });
    } catch (error) {
      if (!(error instanceof ProgramError) || !/Cannot find device/.test(error.message)) throw error;
    }
  }

  /** Ends what was started ahead. */
  [Symbol.dispose](): void {
    this.#maker[Symbol.dispose]();
  }

  #inPod(
    script: string,
    words: readonly string[],
    lines: readonly string[],
    netns: Netns,
    signal: AbortSignal,
  ): Promise<string> {
    return runProgram('nsenter', ['--net=/proc/self/fd/3', 'sh', '-c', script, ...words], {
      input: inputOf(lines),
      files: [netns.fd],
      signal,
    });
  }
}
