import { fieldManagers } from '../api/names.ts';
import { pods as podResource } from '../api/resource.ts';
import { type KubeClient, KubeError } from '../kube/client.ts';
import { Controller } from '../kube/controller.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { Logger } from '../process/log.ts';
import type { Refusal } from './refusal.ts';
import { addressCondition, type WatchedPod } from './watched-pod.ts';

export interface RefusalReporterOptions {
  readonly client: Pick<KubeClient, 'apply'>;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly pod: (key: string) => WatchedPod | undefined;
  readonly refusal: (key: string) => Refusal | undefined;
  readonly log: Logger;
}

/** Tells people why a pod has no address: by an Event, and by a condition that goes when the pod has one. */
export class RefusalReporter {
  readonly #options: RefusalReporterOptions;
  readonly #controller: Controller;

  constructor(options: RefusalReporterOptions) {
    this.#options = options;
    this.#controller = new Controller({
      name: 'refusals',
      // Apart from the annotations: thousands that are refused must not delay those that are served.
      concurrency: 4,
      reconcile: (key, signal) => this.#reconcile(key, signal),
      log: options.log,
    });
  }

  /** A pod was refused, or served. */
  enqueue(key: string): void {
    // Most pods never were refused: nothing is to be taken back.
    if (this.#options.refusal(key) === undefined && this.#options.pod(key)?.refusal === undefined) return;
    this.#controller.enqueue(key);
  }

  /** OVN did not take a pod's port. */
  failed(key: string, error: unknown): void {
    const pod = this.#options.pod(key);
    if (pod === undefined) return;
    this.#record(pod, 'OvnRefused', error instanceof Error ? error.message : String(error));
  }

  /** A pod is labelled as the gateway and may not be. */
  notTheGateway(pod: WatchedPod): void {
    this.#record(
      pod,
      'NotTheGateway',
      `Cannot give the gateway's address as the pod must be of the gateway's ServiceAccount: current value is ${pod.namespace}/${pod.serviceAccount}`,
    );
  }

  /** A node gets no address: its pods reach no other cluster through the address of a service. */
  ofNode(name: string, { reason, note }: Refusal): void {
    this.#options.events.record({
      regarding: { apiVersion: 'v1', kind: 'Node', name },
      type: 'Warning',
      reason,
      note,
      action: 'AllocateAddress',
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#controller.run(signal);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const pod = this.#options.pod(key);
    if (pod === undefined) return;
    const refusal = this.#options.refusal(key);
    if (pod.refusal === refusal?.reason) return;
    if (refusal !== undefined) this.#record(pod, refusal.reason, refusal.note);
    await this.#setCondition(pod, refusal, signal);
  }

  #record({ namespace, name, uid }: WatchedPod, reason: string, note: string): void {
    this.#options.events.record({
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
      type: 'Warning',
      reason,
      note,
      action: 'AllocateAddress',
    });
  }

  async #setCondition(
    { namespace, name, uid }: WatchedPod,
    refusal: Refusal | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const conditions =
      refusal === undefined
        ? []
        : [
            {
              type: addressCondition,
              status: 'False',
              reason: refusal.reason,
              message: refusal.note,
              lastTransitionTime: new Date().toISOString(),
            },
          ];
    try {
      await this.#options.client.apply(
        podResource,
        { metadata: { namespace, name, uid }, status: { conditions } },
        { fieldManager: fieldManagers.ovnController, force: true, subresource: 'status', signal },
      );
    } catch (error) {
      const isGone = error instanceof KubeError && (error.status === 404 || error.status === 409);
      if (!isGone) throw error;
    }
  }
}
