import type { ServiceRecord } from './records.ts';

/** From the process that has the data to one that answers. */
export type ToWorker =
  /** The first: secrets of cookies, the same for all, in hexadecimal. */
  | { readonly kind: 'begin'; readonly secrets: readonly string[] }
  | { readonly kind: 'objects'; readonly objects: readonly (readonly [string, ServiceRecord | undefined])[] }
  /** There is something to answer from. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'listen' }
  | { readonly kind: 'report'; readonly id: number };

export type FromWorker =
  | { readonly kind: 'listening' }
  | {
      readonly kind: 'report';
      readonly id: number;
      /** Of {@link QueryStats}. */
      readonly cells: Float64Array;
      readonly connections: number;
      readonly kept: number;
    };

/** Set in the environment of a process that only answers. */
export const workerVariable = 'NAUTI_CROSSDNS_WORKER';
