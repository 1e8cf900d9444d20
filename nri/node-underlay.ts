import type { Logger } from '../process/log.ts';
import type { Netns } from './netns.ts';
import type { Underlay } from './nic-plan.ts';
import type { NodeSwitch } from './node-switch.ts';
import type { ObservedNamespace } from './observed-nic.ts';
import type { PodDevices } from './pod-devices.ts';
import { findUnderlay, firstNicMtu, tunnelMtu, type UnderlayFinding } from './underlay.ts';

export interface NodeUnderlayOptions {
  readonly nodeSwitch: Pick<NodeSwitch, 'encapAddress' | 'datapath'>;
  readonly devices: Pick<PodDevices, 'observe' | 'observeHost'>;
  /** 0 where it is to be derived. */
  readonly mtu: number;
  readonly routeMtu: number;
  readonly datapath: 'auto' | 'system' | 'netdev';
  readonly log: Logger;
}

/** Ethernet's, for a pod that has no other NIC. */
const usualMtu = 1_500;

/**
 * Looks up what holds for every NIC of the node, and remembers it: once for a tunnel address, once for the pods' MTU. That
 * the tunnels' MTU changes it learns of those who look at the node anyway.
 */
export class NodeUnderlay {
  readonly #options: NodeUnderlayOptions;
  #host: { readonly encapAddress: string; readonly observed: ObservedNamespace } | undefined;
  #podMtu: number | undefined;
  #problem: string | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(options: NodeUnderlayOptions) {
    this.#options = options;
  }

  /** What is missing for any NIC to be made. */
  get readiness(): true | string {
    return this.#problem === undefined ? true : `it waits for ${this.#problem}`;
  }

  /** Told when what holds for every NIC has changed. @returns ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Told of what the node has whenever somebody has looked at it. A device that is gone says nothing: the switch may be
   * starting again.
   */
  note(observed: ObservedNamespace): void {
    const known = this.#host;
    if (known === undefined) return;
    const [before, now] = [known.observed, observed].map(host => tunnelMtu(known.encapAddress, host));
    if (now === undefined || now === before) return;
    this.#host = { ...known, observed };
    this.#options.log.info(
      { address: known.encapAddress, mtu: now, before },
      "MTU of OVN's tunnels has changed",
    );
    for (const listener of this.#listeners) listener();
  }

  /**
   * @param open gives a pod's network namespace, for the first time that its MTU is needed.
   * @returns undefined while something is missing, see {@link readiness}.
   */
  async find(open: () => Netns, signal: AbortSignal): Promise<Underlay | undefined> {
    const { devices } = this.#options;
    let finding = findUnderlay(await this.#sources(signal));
    if (finding.kind === 'needs-pod') {
      this.#podMtu = firstNicMtu(await devices.observe(open(), signal)) ?? usualMtu;
      finding = findUnderlay(await this.#sources(signal));
    }
    return this.#settle(finding);
  }

  /**
   * For the node's own device, of which no pod need be there.
   *
   * @param routeMtu what its routes have already, by an agent that knew a pod: better than a guess.
   * @returns undefined while something is missing.
   */
  async findForNode(routeMtu: number | undefined, signal: AbortSignal): Promise<Underlay | undefined> {
    const finding = findUnderlay(await this.#sources(signal));
    if (finding.kind !== 'needs-pod') return this.#settle(finding);
    return routeMtu === undefined ? finding.provisional : { ...finding.provisional, routeMtu };
  }

  #settle(finding: UnderlayFinding): Underlay | undefined {
    const problem = finding.kind === 'waits' ? finding.reason : undefined;
    if (problem !== undefined && problem !== this.#problem)
      this.#options.log.warn({ missing: problem }, 'NICs cannot be made yet');
    this.#problem = problem;
    if (finding.kind === 'known') return finding.underlay;
    // The device with the address may come.
    this.#host = undefined;
    return undefined;
  }

  async #sources(signal: AbortSignal): Promise<Parameters<typeof findUnderlay>[0]> {
    const { nodeSwitch, mtu, routeMtu, datapath } = this.#options;
    const { encapAddress, datapath: bridgeDatapath } = nodeSwitch;
    return {
      ...{ mtu, routeMtu, datapath, encapAddress, bridgeDatapath },
      host: mtu > 0 || encapAddress === undefined ? undefined : await this.#observeHost(encapAddress, signal),
      podMtu: this.#podMtu,
    };
  }

  async #observeHost(encapAddress: string, signal: AbortSignal): Promise<ObservedNamespace> {
    if (this.#host?.encapAddress !== encapAddress)
      this.#host = { encapAddress, observed: await this.#options.devices.observeHost(signal) };
    return this.#host.observed;
  }
}
