import type { Registry } from 'prom-client';
import { namespaces, nodes as nodeResource, pods as podResource } from '../api/resource.ts';
import { ObjectCache } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/events.ts';
import type { Logger } from '../process/log.ts';
import { acceptNetwork, type CidrChange } from './accepted-network.ts';
import { AnnotationWriter } from './annotation-writer.ts';
import { annotationsOf, nodeAnnotationsOf } from './annotations.ts';
import { portAddress } from './assignment.ts';
import { Isolation } from './isolation.ts';
import { type ControllerMetrics, controllerMetrics } from './metrics.ts';
import { formatCidrs, type Network } from './network.ts';
import type { NetworkSource } from './network-source.ts';
import type { Northbound } from './northbound.ts';
import { PortController } from './port-controller.ts';
import { isAlive, isNodeKey, PortOwners } from './port-owner.ts';
import { RefusalReporter } from './refusal-reporter.ts';
import { readNamespace, sameNamespace, type WatchedNamespace } from './watched-namespace.ts';
import { readNode, sameNode, type WatchedNode } from './watched-node.ts';
import { readPod, samePod, type WatchedPod } from './watched-pod.ts';

export interface OvnControllerOptions {
  readonly client: KubeClient;
  readonly northbound: Northbound;
  readonly source: NetworkSource;
  /** Tells processes apart; usually the pod's name. */
  readonly identity: string;
  /** The components' own. */
  readonly namespace: string;
  /** `namespace/name` of the ServiceAccount whose pods may be the gateway. */
  readonly gatewayServiceAccount: string;
  readonly cidrChange: CidrChange;
  readonly quarantineMs: number;
  readonly batchSize: number;
  readonly concurrency: number;
  /** Whether each node has a port, for what its pods send through the addresses of services. */
  readonly clusterSetIp: boolean;
  /** Whether isolated namespaces and Services are closed to other clusters. */
  readonly isolation: boolean;
  readonly log: Logger;
  readonly registry: Registry;
}

/** All parts of the component; {@link follow} runs in every replica, {@link lead} in the one that writes. */
export class OvnController {
  readonly #options: OvnControllerOptions;
  readonly #metrics: ControllerMetrics;
  readonly #pods: ObjectCache<WatchedPod>;
  readonly #nodes: ObjectCache<WatchedNode>;
  readonly #namespaces: ObjectCache<WatchedNamespace>;
  readonly #events: EventRecorder;
  readonly #ports: PortController;
  readonly #annotations: AnnotationWriter;
  readonly #nodeAnnotations: AnnotationWriter;
  readonly #refusals: RefusalReporter;
  readonly #isolation: Isolation | undefined;
  #isLeading = false;

  constructor(options: OvnControllerOptions) {
    const { client, northbound, log, registry, identity } = options;
    this.#options = options;
    this.#metrics = controllerMetrics(registry, () => ({
      book: this.#isLeading ? this.#ports.book : undefined,
      refused: this.#ports.refused,
      queueDepth: this.#isLeading ? this.#ports.depth + this.#annotations.depth : 0,
      isOvnFollowed: northbound.isFollowing,
    }));
    const shared = { client, log, metrics: registry };
    this.#pods = new ObjectCache<WatchedPod>({
      ...shared,
      resource: podResource,
      project: readPod,
      unchanged: samePod,
    });
    this.#nodes = new ObjectCache<WatchedNode>({
      ...shared,
      resource: nodeResource,
      project: object => readNode(object, options.clusterSetIp),
      unchanged: sameNode,
    });
    this.#namespaces = new ObjectCache<WatchedNamespace>({
      ...shared,
      resource: namespaces,
      project: readNamespace,
      unchanged: sameNamespace,
    });
    this.#events = new EventRecorder({
      client,
      controller: 'nauti.io/ovn-controller',
      instance: identity,
      log,
    });
    this.#ports = new PortController({
      ...options,
      owners: new PortOwners(this.#pods, this.#nodes),
      mayBeGateway: ({ key }) => this.#mayBeGateway(this.#pods.get(key)),
      listener: {
        onServed: key => {
          this.#writerFor(key).enqueue(key);
          this.#refusals.enqueue(key);
        },
        onRefused: (key, refusal) => {
          if (isNodeKey(key)) this.#refusals.ofNode(key, refusal);
          else this.#refusals.enqueue(key);
        },
        onFailed: (key, error) => this.#refusals.failed(key, error),
        onReleased: key => this.#writerFor(key).enqueue(key),
      },
      metrics: this.#metrics,
    });
    const writing = {
      ...options,
      assignment: (key: string) => this.#servedAssignment(key),
      network: () => this.#ports.book?.network,
      isUninstalling: () => this.#namespaces.get(options.namespace)?.isUninstalling ?? false,
      metrics: this.#metrics,
    };
    this.#annotations = new AnnotationWriter({
      ...writing,
      resource: podResource,
      owner: key => this.#pods.get(key),
      annotations: annotationsOf,
    });
    this.#nodeAnnotations = new AnnotationWriter({
      ...writing,
      resource: nodeResource,
      owner: key => this.#nodes.get(key),
      annotations: nodeAnnotationsOf,
    });
    this.#refusals = new RefusalReporter({
      client,
      events: this.#events,
      pod: key => this.#pods.get(key),
      refusal: key => this.#ports.refusalOf(key),
      log,
    });
    this.#isolation = !options.isolation
      ? undefined
      : new Isolation({
          ...options,
          pods: this.#pods,
          hasIsolatedNamespace: () => [...this.#namespaces.values()].some(({ isIsolated }) => isIsolated),
          isIsolatedNamespace: name => this.#namespaces.get(name)?.isIsolated ?? false,
          network: () => this.#ports.book?.network,
          metrics: this.#metrics,
        });
    this.#pods.subscribe(change => this.#onPod(change.key, change.before, change.after));
    this.#nodes.subscribe(({ key }) => {
      if (this.#isLeading) this.#ports.enqueue(key);
    });
    this.#namespaces.subscribe(change => this.#onNamespace(change.before, change.after));
    northbound.subscribe(() => this.#isolation?.changed());
  }

  /** What is still missing before this replica could lead, for people; true where nothing is. */
  get readiness(): true | string {
    if (![this.#pods, this.#nodes, this.#namespaces].every(cache => cache.hasSynced))
      return 'pods, nodes and namespaces must have been read';
    if (!this.#options.northbound.isFollowing) return "OVN's northbound database must be reachable";
    return true;
  }

  /** Whether it is known, from the hub or from the switch, what addresses are given from. */
  get knowsNetwork(): boolean {
    return this.#accepted() !== undefined;
  }

  /** Follows pods, nodes and namespaces until the signal is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#pods.run(signal),
      this.#nodes.run(signal),
      this.#namespaces.run(signal),
      this.#isolation?.follow(signal),
    ]);
  }

  /** Resolves when everything is known that a leader needs, so that a standby can take over at once. */
  async prepared(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#pods.synced(signal),
      this.#nodes.synced(signal),
      this.#namespaces.synced(signal),
      this.#options.northbound.synced(signal),
    ]);
  }

  /** Gives addresses out until the signal is aborted. Only one process may do this at a time; a second one fences it off. */
  async lead(signal: AbortSignal): Promise<void> {
    this.#isLeading = true;
    for (const pod of this.#pods.values()) this.#reportImpostor(undefined, pod);
    try {
      await Promise.all([
        this.#annotations.run(signal),
        this.#nodeAnnotations.run(signal),
        this.#refusals.run(signal),
        this.#allocate(signal),
        this.#isolation?.lead(signal),
      ]);
    } finally {
      this.#isLeading = false;
      await this.#events.flush();
    }
  }

  async #allocate(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const changed = new AbortController();
      const unsubscribe = this.#options.source.subscribe(() => changed.abort());
      try {
        const turn = AbortSignal.any([signal, changed.signal]);
        if (this.#accepted() !== undefined) await this.#ports.run(() => this.#decideNetwork(), turn);
        else await aborted(turn);
      } finally {
        unsubscribe();
      }
    }
  }

  #accepted() {
    const { source, northbound, cidrChange } = this.#options;
    return acceptNetwork(source.current, northbound.recorded, northbound.hasPodPorts, cidrChange);
  }

  /** Asked when everything that an earlier leader did is seen. */
  #decideNetwork(): Network {
    const accepted = this.#accepted();
    if (accepted === undefined)
      throw new Error('Cannot give addresses as the network must be known: it is not any more');
    const { network, refused } = accepted;
    this.#metrics.cidrRefused.set(refused === undefined ? 0 : 1);
    this.#options.log.info({ cidrs: formatCidrs(network) }, 'network is known');
    if (refused !== undefined) this.#reportRefusedNetwork(refused);
    return network;
  }

  #reportRefusedNetwork(note: string): void {
    const { namespace, log } = this.#options;
    log.warn({ refused: note }, 'the CIDR that the hub gives is not taken');
    this.#events.record({
      regarding: { apiVersion: 'v1', kind: 'Namespace', name: namespace },
      type: 'Warning',
      reason: 'CidrChangeRefused',
      note: `${note}. To move, see ovn-controller's README, "Another CIDR"`,
      action: 'ChangeCidr',
    });
  }

  #writerFor(key: string): AnnotationWriter {
    return isNodeKey(key) ? this.#nodeAnnotations : this.#annotations;
  }

  /** Of a pod or node whose port stands in OVN. */
  #servedAssignment(key: string) {
    const assignment = this.#ports.assignmentOf(key);
    if (assignment === undefined) return undefined;
    const text = portAddress(assignment);
    const stands = this.#options.northbound.portsOf(key).some(port => port.addresses.includes(text));
    return stands ? assignment : undefined;
  }

  #mayBeGateway(pod: WatchedPod | undefined): boolean {
    return (
      pod !== undefined && `${pod.namespace}/${pod.serviceAccount}` === this.#options.gatewayServiceAccount
    );
  }

  #onPod(key: string, before: WatchedPod | undefined, after: WatchedPod | undefined): void {
    if (!this.#isLeading) return;
    if (after === undefined) this.#annotations.forget(key);
    else if (before === undefined && isAlive(after, Date.now())) this.#annotations.seen(key);
    if (after !== undefined) this.#reportImpostor(before, after);
    this.#ports.enqueue(key);
    this.#isolation?.changed();
  }

  #reportImpostor(before: WatchedPod | undefined, after: WatchedPod): void {
    if (after.isLabelledGateway && !before?.isLabelledGateway && !this.#mayBeGateway(after)) {
      this.#refusals.notTheGateway(after);
    }
  }

  /** Nauti is no longer being taken away: what was left off is written. */
  #onNamespace(before: WatchedNamespace | undefined, after: WatchedNamespace | undefined): void {
    if (before?.isIsolated !== after?.isIsolated) this.#isolation?.changed();
    const isOver = before?.isUninstalling === true && after?.isUninstalling === false;
    if (!isOver || after.name !== this.#options.namespace) return;
    for (const key of this.#pods.keys()) this.#annotations.enqueue(key);
    for (const key of this.#nodes.keys()) this.#nodeAnnotations.enqueue(key);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
