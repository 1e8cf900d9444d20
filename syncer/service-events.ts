import { objectKey } from '../api/meta.ts';
import type { HubView } from './hub-view.ts';
import type { LocalView } from './local-view.ts';

/** Who wants to know that a service (`namespace/name`) must be looked at again. */
export interface ServiceListener {
  /** What this cluster publishes of it, or has on the hub, may have changed. */
  readonly toExport: (service: string) => void;
  /** What this cluster imports, or has made of it, may have changed. */
  readonly toImport: (service: string) => void;
}

/** Turns changes in this cluster into services. @returns what ends it. */
export function followLocal(
  local: LocalView,
  hub: () => HubView | undefined,
  listener: ServiceListener,
): () => void {
  const both = (service: string) => {
    listener.toExport(service);
    listener.toImport(service);
  };
  /** Of the many Services and slices of a cluster only those matter that are exported. */
  const ifExported = (service: string) => {
    if (local.exports.get(service) !== undefined) both(service);
  };
  const ends = [
    local.exports.subscribe(({ key }) => both(key)),
    local.services.subscribe(({ key, before, after }) => {
      for (const view of [before, after]) {
        if (view?.kind === 'derived') listener.toImport(view.service);
      }
      ifExported(key);
    }),
    local.slices.subscribe(({ before, after }) => {
      for (const slice of new Set([before?.service, after?.service])) {
        if (slice === undefined) continue;
        if (before?.kind === 'imported' || after?.kind === 'imported') listener.toImport(slice);
        ifExported(slice);
      }
    }),
    local.pods?.subscribe(({ key }) => {
      for (const { service } of local.slicesOfPod(key)) ifExported(service);
    }) ?? (() => {}),
    local.imports.subscribe(({ key }) => listener.toImport(key)),
    local.namespaces.subscribe(({ key }) => {
      for (const service of servicesOfNamespace(local, hub(), key)) listener.toImport(service);
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** Turns changes on the hub into services. @returns what ends it. */
export function followHub(hub: HubView, listener: ServiceListener): () => void {
  const ends = [
    hub.exports.subscribe(({ before, after }) => {
      for (const one of [before, after]) {
        if (one?.clusterId === hub.clusterId) listener.toExport(one.service);
        // Its own export too: that the hub has it is a condition.
        if (one !== undefined) listener.toImport(one.service);
      }
    }),
    hub.slices.subscribe(({ before, after }) => {
      for (const slice of [before, after]) {
        if (slice === undefined) continue;
        if (slice.clusterId === hub.clusterId) listener.toExport(slice.service);
        else listener.toImport(slice.service);
      }
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function servicesOfNamespace(local: LocalView, hub: HubView | undefined, namespace: string): Set<string> {
  return new Set([
    ...local.exports.byIndex('namespace', namespace).map(keyOf),
    ...local.imports.byIndex('namespace', namespace).map(keyOf),
    ...local.slices.byIndex('namespace', namespace).map(slice => slice.service),
    ...(hub?.exports.byIndex('namespace', namespace) ?? []).map(one => one.service),
  ]);
}

/** All services of which anything is known: what a look at the whole world has to visit. */
export function allServices(local: LocalView, hub: HubView | undefined): Set<string> {
  const found = new Set<string>(local.exports.keys());
  for (const view of local.imports.values()) found.add(keyOf(view));
  for (const view of local.services.values()) if (view.kind === 'derived') found.add(view.service);
  for (const slice of local.slices.values()) if (slice.kind === 'imported') found.add(slice.service);
  for (const one of hub?.exports.values() ?? []) found.add(one.service);
  for (const slice of hub?.slices.values() ?? []) {
    if (slice.clusterId === hub?.clusterId) found.add(slice.service);
  }
  return found;
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return objectKey(namespace, name);
}
