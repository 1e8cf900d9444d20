/**
 * What a slice says, as one canonical text: the same content is always the same text, and a text takes a third of the
 * memory of the object. Caches keep texts, comparisons are of texts, and what is written to the API is read from one.
 */

import { createHash } from 'node:crypto';
import type { EndpointPort, EndpointSlice, ObjectReference } from '../api/endpoint-slice.ts';

/** Address type, endpoints and ports as the API writes them, with all conditions spelled out. */
export interface SliceContent {
  readonly addressType: EndpointSlice['addressType'];
  readonly endpoints: readonly WrittenEndpoint[];
  readonly ports: readonly EndpointPort[];
}

export interface WrittenEndpoint {
  readonly addresses: readonly string[];
  readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly hints?: { readonly forZones: readonly { readonly name: string }[] };
  readonly targetRef?: ObjectReference;
}

/**
 * The canonical form of a slice that was read.
 *
 * @param zonesOf the zones that the endpoint of that index is meant for; hints are made by importers, and not taken
 *   over from an exporter, whose zones they divide.
 */
export function contentOf(
  slice: EndpointSlice,
  zonesOf: (index: number) => readonly string[] | undefined = () => undefined,
): SliceContent {
  return {
    addressType: slice.addressType,
    endpoints: slice.endpoints.map((endpoint, index) => ({
      addresses: endpoint.addresses,
      conditions: {
        ready: endpoint.ready,
        serving: endpoint.serving,
        terminating: endpoint.terminating,
      },
      ...(endpoint.hostname === undefined ? {} : { hostname: endpoint.hostname }),
      ...(endpoint.nodeName === undefined ? {} : { nodeName: endpoint.nodeName }),
      ...(endpoint.zone === undefined ? {} : { zone: endpoint.zone }),
      ...zoneHints(zonesOf(index)),
      ...(endpoint.targetRef === undefined ? {} : { targetRef: endpoint.targetRef }),
    })),
    ports: slice.ports.map(canonicalPort),
  };
}

export function zoneHints(zones: readonly string[] | undefined): Pick<WrittenEndpoint, 'hints'> {
  return zones === undefined ? {} : { hints: { forZones: zones.map(name => ({ name })) } };
}

function canonicalPort(port: EndpointPort): EndpointPort {
  return {
    ...(port.name === undefined ? {} : { name: port.name }),
    protocol: port.protocol,
    ...(port.port === undefined ? {} : { port: port.port }),
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
  };
}

export function sliceText(content: SliceContent): string {
  return JSON.stringify(content);
}

/** The inverse of {@link sliceText}; only for texts that it made. */
export function readSliceText(text: string): SliceContent {
  return JSON.parse(text) as SliceContent;
}

/** Stands for a text where only equality matters: 128 bits of sha256, so that no stranger can make two collide. */
export function digest(...texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest('base64').slice(0, 22);
}
