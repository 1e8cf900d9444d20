import type { SliceContent } from './slice-content.ts';

/**
 * Which address of its endpoints a cluster tells the others: takes a slice as Kubernetes has it, and gives the slice
 * to publish. Endpoints that have no such address are left out.
 */
export type AddressStrategy = (slice: SliceContent) => SliceContent;

/** `addresses: pod`, for clusters whose pods reach each other: the addresses of the slice itself. */
export const podAddresses: AddressStrategy = slice => slice;

/**
 * What is published of a slice of an exported Service.
 *
 * The endpoint controller keeps `ready` by the rule of the API already; slices that people write are held to it here:
 * ready = publishNotReadyAddresses, or serving and not terminating.
 */
export function publishedSlice(
  slice: SliceContent,
  addresses: AddressStrategy,
  publishNotReadyAddresses: boolean,
): SliceContent {
  const published = addresses(slice);
  let changed = false;
  const endpoints = published.endpoints.map(endpoint => {
    const { serving, terminating } = endpoint.conditions;
    const ready = publishNotReadyAddresses || (endpoint.conditions.ready && !terminating);
    if (ready === endpoint.conditions.ready) return endpoint;
    changed = true;
    return { ...endpoint, conditions: { ready, serving, terminating } };
  });
  return changed ? { ...published, endpoints } : published;
}
