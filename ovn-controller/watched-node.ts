import type { KubeObject } from '../api/meta.ts';
import { allocationAnnotations, showsAnnotations } from './annotations.ts';
import type { PortOwner } from './port-owner.ts';

/** What is known of a node: it has a port of its own, for what its pods send through the address of a service. */
export type WatchedNode = PortOwner;

/** @param wantsPort whether nodes have ports at all; else what one has of an earlier time is taken back. */
export function readNode(object: KubeObject, wantsPort: boolean): WatchedNode {
  const { name = '', uid = '', creationTimestamp = '', annotations = {} } = object.metadata;
  return {
    key: name,
    name,
    uid,
    createdAt: Date.parse(creationTimestamp) || 0,
    isFinished: !wantsPort,
    isLabelledGateway: false,
    isStateful: false,
    annotations: allocationAnnotations(annotations),
  };
}

export function sameNode(a: WatchedNode, b: WatchedNode): boolean {
  return a.uid === b.uid && a.isFinished === b.isFinished && showsAnnotations(a.annotations, b.annotations);
}
