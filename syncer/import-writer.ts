import { setTimeout as sleep } from 'node:timers/promises';
import { type KubeObject, type OwnerReference, objectKey } from '../api/meta.ts';
import { fieldManagers } from '../api/names.ts';
import { derivedServiceName } from '../api/object-names.ts';
import { apiVersion, endpointSlices, serviceImports, services } from '../api/resource.ts';
import type { Service } from '../api/service.ts';
import { KubeError } from '../kube/client.ts';
import { atMost } from './at-most.ts';
import { asConditions, importVerdicts, sameConditions } from './conditions.ts';
import { nowInSeconds } from './export-status.ts';
import {
  canServe,
  derivedObject,
  hasVip,
  type ImportPlan,
  type ImportTarget,
  importObject,
  plannedFingerprint,
  sliceObject,
} from './import-plan.ts';
import type { LocalView } from './local-view.ts';
import type { MergedService } from './merge.ts';
import type { ImportedSlice } from './slice-views.ts';
import {
  type DerivedService,
  derivedFingerprint,
  type ImportView,
  readImport,
  readService,
} from './views.ts';

/** A slice that came from the hub stands here now. */
export interface SliceOutcome {
  readonly clusterId: string;
  readonly name: string;
  readonly changedAt: string | undefined;
  /** Whether it had to be written for that. */
  readonly written: boolean;
}

/** What became of the VIP. */
export interface VipOutcome {
  readonly derived: DerivedService | undefined;
  readonly problem:
    | { readonly reason: 'Pending' | 'IPFamilyNotSupported'; readonly message: string }
    | undefined;
}

export interface ImportWriterOptions {
  readonly local: LocalView;
  readonly target: ImportTarget;
  /** `namespace/name` */
  readonly service: string;
  readonly signal: AbortSignal;
  readonly onSlice: (outcome: SliceOutcome) => void;
}

/** Requests at once for one service. */
const parallelWrites = 4;
/**
 * Pauses before an address is asked for again that is said to be allocated: the API server gives the address of a deleted
 * Service back a moment after it told everybody of the deletion. Milliseconds.
 */
const releasePausesMs = [50, 150, 400, 1_000] as const;

/** The writes of one reconcile of one import, each left out where the cache says that it would change nothing. */
export class ImportWriter {
  readonly #local: LocalView;
  readonly #target: ImportTarget;
  readonly #service: string;
  readonly #signal: AbortSignal;
  readonly #onSlice: (outcome: SliceOutcome) => void;
  /** As the cache has it, or as the API server answered to a write of ours. */
  #import: ImportView | undefined;

  constructor({ local, target, service, signal, onSlice }: ImportWriterOptions) {
    this.#local = local;
    this.#target = target;
    this.#service = service;
    this.#signal = signal;
    this.#onSlice = onSlice;
    this.#import = local.imports.get(service);
  }

  get #applying(): { fieldManager: string; force: true; signal: AbortSignal } {
    return { fieldManager: fieldManagers.syncer, force: true, signal: this.#signal };
  }

  /** Whoever removes the import removes its slices, syncer or not. Undefined while there is no import. */
  owner(): OwnerReference | undefined {
    if (this.#import === undefined) return undefined;
    const { name, uid } = this.#import;
    return { apiVersion: apiVersion(serviceImports), kind: serviceImports.kind, name, uid };
  }

  async ensureImport(merged: MergedService, derived: DerivedService | undefined): Promise<void> {
    const { object, fingerprint } = importObject(this.#target, merged, derived);
    if (this.#import?.fingerprint === fingerprint) return;
    this.#import = readImport(await this.#local.client.apply(serviceImports, object, this.#applying));
  }

  async removeImport(): Promise<void> {
    await this.removeVip();
    const view = this.#import;
    if (!view?.ours || view.deleting) return;
    const { namespace, name, uid } = view;
    await this.#local.client.delete(
      serviceImports,
      { namespace, name },
      { preconditions: { uid }, propagationPolicy: 'Background', signal: this.#signal },
    );
  }

  async ensureVip(merged: MergedService): Promise<VipOutcome> {
    const { namespace, name } = this.#target;
    const key = objectKey(namespace, derivedServiceName(namespace, name));
    const occupant = this.#local.services.get(key);
    if (occupant?.kind === 'source') {
      const message = `the Service ${key} must be the syncer's to give the import its address, and is another's`;
      return { derived: undefined, problem: { reason: 'Pending', message } };
    }
    let present = occupant;
    if (present !== undefined && !canServe(present, merged)) {
      await this.removeVip();
      present = undefined;
    }
    const address = present === undefined ? this.#import?.ips[0] : present.clusterIps[0];
    const object = derivedObject(this.#target, merged, { present, address });
    const wanted = derivedFingerprint(object, object.spec as Service['spec']);
    if (present?.fingerprint === wanted) return { derived: present, problem: undefined };
    try {
      return { derived: await this.#applyDerived(object, present === undefined), problem: undefined };
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 422)) throw error;
      const reason = concernsFamilies(error) ? 'IPFamilyNotSupported' : 'Pending';
      return { derived: present, problem: { reason, message: error.message } };
    }
  }

  /** The address that it had before is asked for first; where somebody else has it by now, any other will do. */
  async #applyDerived(object: KubeObject, isNew: boolean): Promise<DerivedService | undefined> {
    const spec = object.spec as { clusterIP?: string };
    const apply = (wanted: object) =>
      this.#local.client.apply(services, { ...object, spec: wanted }, this.#applying);
    for (const pauseMs of [...releasePausesMs, undefined]) {
      try {
        return derivedOf(await apply(spec));
      } catch (error) {
        const isRefused = error instanceof KubeError && error.status === 422;
        if (!isRefused || !isNew || spec.clusterIP === undefined) throw error;
        if (pauseMs === undefined || !/already allocated/.test(error.message)) break;
        await sleep(pauseMs, undefined, { signal: this.#signal });
      }
    }
    const { clusterIP: _, ...rest } = spec;
    return derivedOf(await apply(rest));
  }

  async removeVip(): Promise<void> {
    await atMost(parallelWrites, this.#local.derivedServices(this.#service), ({ namespace, name }) =>
      this.#local.client.delete(services, { namespace, name }, { signal: this.#signal }),
    );
  }

  async writeSlices(plan: ImportPlan, owner: OwnerReference | undefined): Promise<void> {
    const present = new Map(
      this.#local
        .importedSlices(this.#service)
        .map(slice => [objectKey(slice.namespace, slice.name), slice.fingerprint]),
    );
    await atMost(parallelWrites, plan.slices, async slice => {
      const fingerprint = present.get(objectKey(slice.namespace, slice.name));
      if (fingerprint === undefined && plan.undecided.has(slice.clusterId)) return;
      const written = fingerprint !== plannedFingerprint(slice, owner);
      if (written) {
        await this.#local.client.apply(endpointSlices, sliceObject(slice, owner), this.#applying);
      }
      const { clusterId, name, changedAt } = slice;
      this.#onSlice({ clusterId, name, changedAt, written });
    });
  }

  /** Removes what is not planned. @param inScope which of the slices that are there may go at all. */
  async removeSlices(plan: ImportPlan, inScope: (slice: ImportedSlice) => boolean): Promise<void> {
    const wanted = new Set(plan.slices.map(slice => objectKey(slice.namespace, slice.name)));
    const leftovers = this.#local
      .importedSlices(this.#service)
      .filter(slice => inScope(slice) && !wanted.has(objectKey(slice.namespace, slice.name)));
    await atMost(parallelWrites, leftovers, ({ namespace, name }) =>
      this.#local.client.delete(endpointSlices, { namespace, name }, { signal: this.#signal }),
    );
  }

  async ensureStatus(plan: ImportPlan, merged: MergedService, vip: VipOutcome | undefined): Promise<void> {
    const view = this.#import;
    if (view === undefined) return;
    const verdicts = importVerdicts({
      needsVip: hasVip(this.#target, merged),
      ips: view.ips,
      problem: vip?.problem,
    });
    const conditions = asConditions(verdicts, view.conditions, {
      now: nowInSeconds(),
      generation: view.generation,
    });
    const clusterIds = merged.clusterIds.toSorted();
    const endpointSliceObjects = plan.slices.length > 0 ? 'Present' : 'Absent';
    const isTold =
      sameConditions(conditions, view.conditions) &&
      view.endpointSliceObjects === endpointSliceObjects &&
      view.clusterIds.toSorted().join() === clusterIds.join();
    if (isTold) return;
    const clusters = clusterIds.map(cluster => ({ cluster }));
    await this.#local.client.apply(
      serviceImports,
      {
        metadata: { namespace: view.namespace, name: view.name },
        status: { clusters, conditions, endpointSliceObjects },
      },
      { ...this.#applying, subresource: 'status' },
    );
  }
}

function derivedOf(applied: KubeObject): DerivedService | undefined {
  const view = readService(applied);
  return view.kind === 'derived' ? view : undefined;
}

/** Whether the API server refused a Service because this cluster lacks the address family. */
function concernsFamilies(error: KubeError): boolean {
  const { causes } = (error.details ?? {}) as { causes?: readonly { field?: string }[] };
  return causes?.some(cause => cause.field?.startsWith('spec.ipFamil')) ?? false;
}
