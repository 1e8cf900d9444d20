import { readSliceText, sliceText } from './slice-content.ts';

/**
 * Which address of its endpoints a cluster tells the others: takes a slice as Kubernetes has it, and gives the text of
 * the slice to publish. Endpoints that have no such address are left out.
 */
export type AddressStrategy = (slice: { readonly namespace: string; readonly text: string }) => string;

/** `addresses: pod`, for clusters whose pods reach each other: the addresses of the slice itself. */
export const podAddresses: AddressStrategy = ({ text }) => text;

/**
 * What is published of a slice of an exported Service; undefined for a slice of names instead of addresses, which
 * neither DNS nor a VIP could answer.
 *
 * The endpoint controller keeps `ready` by the rule of the API already; slices that people write are held to it here:
 * ready = publishNotReadyAddresses, or serving and not terminating.
 */
export function publishedText(
  slice: { readonly namespace: string; readonly text: string },
  addresses: AddressStrategy,
  publishNotReadyAddresses: boolean,
): string | undefined {
  if (slice.text.startsWith('{"addressType":"FQDN"')) return undefined;
  const published = addresses(slice);
  // Inside of a JSON text's strings quotes are escaped: only the conditions themselves can look like this.
  const suspect = publishNotReadyAddresses ? '"ready":false' : '"terminating":true';
  return published.includes(suspect) ? withReadiness(published, publishNotReadyAddresses) : published;
}

function withReadiness(text: string, publishNotReadyAddresses: boolean): string {
  const content = readSliceText(text);
  return sliceText({
    ...content,
    endpoints: content.endpoints.map(endpoint => {
      const { ready, serving, terminating } = endpoint.conditions;
      const published = publishNotReadyAddresses || (ready && !terminating);
      return { ...endpoint, conditions: { ready: published, serving, terminating } };
    }),
  });
}
