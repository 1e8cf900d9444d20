/** In which address families an export is told to the others. Pure. */

import type { IpFamily } from '../api/service-policy.ts';
import { readSliceText } from './slice-content.ts';

/** A slice as Kubernetes has it, and its text as it is published. */
export interface PublishedText {
  readonly slice: { readonly text: string };
  readonly text: string;
}

/**
 * The families of a Service in which its endpoints have an address to tell.
 *
 * A Service of both families on a secondary network of one would otherwise be imported with an address of the other
 * that leads nowhere, and clients of both families try that one first. Where no endpoint has an address yet, nothing is
 * known, and both stay; so does a family in which the Service has no endpoint itself.
 */
export function toldFamilies(
  families: readonly IpFamily[],
  slices: readonly PublishedText[],
): readonly IpFamily[] {
  // Where all is told as it is, as with the pods' own addresses, nothing is to be read.
  if (families.length < 2 || slices.every(({ slice, text }) => slice.text === text)) return families;
  const sources = familiesWithEndpoints(slices.map(({ slice }) => slice.text));
  const told = familiesWithEndpoints(slices.map(({ text }) => text));
  if (told.size === 0) return families;
  return families.filter(family => told.has(family) || !sources.has(family));
}

/** Whether a slice of that text is published, where of a Service's families some are not told. */
export function isTold(text: string, families: readonly IpFamily[], told: readonly IpFamily[]): boolean {
  if (families.length === told.length) return true;
  const { addressType } = readSliceText(text);
  return told.some(family => family === addressType);
}

function familiesWithEndpoints(texts: readonly string[]): ReadonlySet<string> {
  const contents = texts.map(readSliceText);
  return new Set(contents.filter(one => one.endpoints.length > 0).map(one => one.addressType));
}
