import type { KubeObject } from '../api/meta.ts';
import { allocationOf } from './allocation.ts';

/** What is kept of the Node that this process runs on: the annotations of its allocation. */
export type OwnNode = Readonly<Record<string, string>>;

export function readOwnNode(object: KubeObject): OwnNode {
  return allocationOf(object.metadata.annotations ?? {});
}

export function sameOwnNode(a: OwnNode, b: OwnNode): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
