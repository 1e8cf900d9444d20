/** `addresses: secondary`: other clusters are told the addresses that the pods have on the secondary network. Pure. */

import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { type KubeObject, objectKey } from '../api/meta.ts';
import { podAnnotations } from '../api/names.ts';
import type { AddressStrategy } from './published-addresses.ts';
import { readSliceText, sliceText, type WrittenEndpoint } from './slice-content.ts';

/** A pod that has a place on the secondary network. */
export interface AddressedPod {
  readonly uid: string;
  /** One a family at most. */
  readonly addresses: readonly string[];
}

/**
 * What the API server takes in no EndpointSlice: one of these would keep all other endpoints of its slice from the hub.
 * One list a family, as IPv4 is looked for among mapped IPv6 too.
 */
const unusable4 = new BlockList();
unusable4.addSubnet('0.0.0.0', 8);
unusable4.addSubnet('127.0.0.0', 8);
unusable4.addSubnet('169.254.0.0', 16);
unusable4.addSubnet('224.0.0.0', 3);
const unusable6 = new BlockList();
unusable6.addSubnet('::', 127, 'ipv6');
unusable6.addSubnet('::ffff:0:0', 96, 'ipv6');
unusable6.addSubnet('fe80::', 10, 'ipv6');
unusable6.addSubnet('ff00::', 8, 'ipv6');

/** @returns undefined for a pod without secondary address, be it as it is late, on the host's network or finished. */
export function readAddressedPod(object: KubeObject): AddressedPod | undefined {
  const { uid, annotations = {} } = object.metadata;
  const { phase } = (object.status ?? {}) as { phase?: unknown };
  if (uid === undefined || phase === 'Succeeded' || phase === 'Failed') return undefined;
  // The last word of an allocation: before it the others may be a mere request.
  if (annotations[podAnnotations.allocated] !== 'true') return undefined;
  const texts = (annotations[podAnnotations.ipAddress] ?? '').split(',').map(text => text.trim());
  const addresses = [texts.find(isUsable4), texts.find(isUsable6)].filter(text => text !== undefined);
  return addresses.length === 0 ? undefined : { uid, addresses };
}

export function samePodAddresses(before: AddressedPod, after: AddressedPod): boolean {
  return before.uid === after.uid && before.addresses.join() === after.addresses.join();
}

function isUsable4(text: string): boolean {
  return isIPv4(text) && !unusable4.check(text);
}

function isUsable6(text: string): boolean {
  return isIPv6(text) && !text.includes('%') && !unusable6.check(text, 'ipv6');
}

/** Keys of the pods behind a slice. A slice speaks for pods of its own namespace only, whatever its author wrote. */
export function podsOf(namespace: string, text: string): string[] {
  return readSliceText(text).endpoints.flatMap(endpoint => podKey(namespace, endpoint) ?? []);
}

/**
 * Endpoints with the secondary address of their pod in the slice's family; those that have none are left out.
 *
 * @param podOf the pod of that key, as it is now. One of another uid is another pod: a StatefulSet's successor has the
 *   name, but need not have the address.
 */
export function secondaryAddresses(podOf: (key: string) => AddressedPod | undefined): AddressStrategy {
  return ({ namespace, text }) => {
    const content = readSliceText(text);
    const inFamily = content.addressType === 'IPv6' ? isIPv6 : isIPv4;
    const endpoints = content.endpoints.flatMap(endpoint => {
      const key = podKey(namespace, endpoint);
      const pod = key === undefined ? undefined : podOf(key);
      if (pod === undefined || pod.uid !== endpoint.targetRef?.uid) return [];
      const address = pod.addresses.find(inFamily);
      return address === undefined ? [] : [{ ...endpoint, addresses: [address] }];
    });
    return sliceText({ ...content, endpoints });
  };
}

function podKey(namespace: string, { targetRef }: WrittenEndpoint): string | undefined {
  if (targetRef?.kind !== 'Pod' || targetRef.name === undefined) return undefined;
  if ((targetRef.namespace ?? namespace) !== namespace) return undefined;
  return objectKey(namespace, targetRef.name);
}
