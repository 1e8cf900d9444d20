import type { Registry } from 'prom-client';
import { fieldManagers, podAnnotations } from '../api/names.ts';
import type { Resource } from '../api/resource.ts';
import { type KubeClient, KubeError } from '../kube/client.ts';
import { Controller } from '../kube/controller.ts';
import type { Logger } from '../process/log.ts';
import { showsAnnotations } from './annotations.ts';
import type { Assignment } from './assignment.ts';
import type { ControllerMetrics } from './metrics.ts';
import type { Network } from './network.ts';
import { isAlive, type PortOwner } from './port-owner.ts';

export interface AnnotationWriterOptions {
  readonly client: Pick<KubeClient, 'apply'>;
  /** What is written on: pods, or nodes. */
  readonly resource: Resource;
  readonly owner: (key: string) => PortOwner | undefined;
  /** What it is to show. */
  readonly annotations: (network: Network, assignment: Assignment) => Record<string, string>;
  /** What it has, once its port is in OVN. */
  readonly assignment: (key: string) => Assignment | undefined;
  readonly network: () => Network | undefined;
  /** While Nauti is taken away, annotations that people remove stay away. */
  readonly isUninstalling: () => boolean;
  /** Objects written at once. */
  readonly concurrency: number;
  readonly log: Logger;
  readonly registry?: Registry | undefined;
  readonly metrics: ControllerMetrics;
}

/** A pod changes ever again while it starts, and each time its annotations seem to be missing until they come back. */
type Written = WeakMap<PortOwner, string>;

/**
 * Keeps the annotations of pods, or nodes, equal to what they have: one server-side apply each, so that `allocated` never
 * stands without the others. Level-triggered: whatever one shows, it is made to show what is.
 */
export class AnnotationWriter {
  readonly #options: AnnotationWriterOptions;
  readonly #controller: Controller;
  readonly #written: Written = new WeakMap();
  /** When pods without annotations were first seen, performance.now(). */
  readonly #seenAt = new Map<string, number>();

  constructor(options: AnnotationWriterOptions) {
    this.#options = options;
    this.#controller = new Controller({
      name: options.resource.plural === 'pods' ? 'annotations' : `${options.resource.plural}-annotations`,
      concurrency: options.concurrency,
      reconcile: (key, signal) => this.#reconcile(key, signal),
      log: options.log,
      metrics: options.registry,
      backoff: { minMs: 50, maxMs: 10_000 },
    });
  }

  /** Those that wait to be written. */
  get depth(): number {
    return this.#controller.depth;
  }

  enqueue(key: string): void {
    this.#controller.enqueue(key);
  }

  /** A pod without annotations came: the time until it has them is measured. */
  seen(key: string): void {
    if (!this.#seenAt.has(key)) this.#seenAt.set(key, performance.now());
  }

  forget(key: string): void {
    this.#seenAt.delete(key);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const { network: networkOf, isUninstalling } = this.#options;
    const owner = this.#options.owner(key);
    const network = networkOf();
    if (owner === undefined || network === undefined || isUninstalling()) return;
    const assignment = isAlive(owner, Date.now()) ? this.#options.assignment(key) : undefined;
    if (assignment === undefined) {
      // A pod that is finished stays in the list of pods for long; its address is another's soon.
      if (owner.isFinished && owner.annotations[podAnnotations.allocated] !== undefined) {
        await this.#write(owner, {}, 'cleared', signal);
      }
      return;
    }
    const wanted = this.#options.annotations(network, assignment);
    if (showsAnnotations(owner.annotations, wanted)) {
      this.#seenAt.delete(key);
      return;
    }
    await this.#write(owner, wanted, 'written', signal);
    const seenAt = this.#seenAt.get(key);
    if (seenAt === undefined) return;
    this.#seenAt.delete(key);
    this.#options.metrics.allocationSeconds.observe((performance.now() - seenAt) / 1000);
  }

  async #write(
    owner: PortOwner,
    annotations: Readonly<Record<string, string>>,
    outcome: 'written' | 'cleared',
    signal: AbortSignal,
  ): Promise<void> {
    const { client, resource, metrics } = this.#options;
    const text = JSON.stringify(annotations);
    // Written already, and not seen yet: until the view changes, it is as good as shown.
    if (this.#written.get(owner) === text) return;
    const { name, uid } = owner;
    const namespace = owner.namespace === undefined ? {} : { namespace: owner.namespace };
    try {
      await client.apply(
        resource,
        { metadata: { ...namespace, name, uid, annotations } },
        { fieldManager: fieldManagers.ovnController, force: true, signal },
      );
      this.#written.set(owner, text);
      metrics.annotationWrites.inc({ outcome });
    } catch (error) {
      // Gone, or another pod of the same name by now: its own events come.
      const isGone = error instanceof KubeError && (error.status === 404 || error.status === 409);
      metrics.annotationWrites.inc({ outcome: isGone ? 'gone' : 'failed' });
      if (!isGone) throw error;
    }
  }
}
