import { type Wish, wishOf } from './annotations.ts';
import type { PortOwner } from './port-owner.ts';

/**
 * What a pod is to other clusters: `gateway` is the one that has the gateway's addresses, a `candidate` is one of several,
 * each with addresses of its own, of whom the elected one takes the gateway's.
 */
export type GatewayRole = 'none' | 'gateway' | 'candidate';

/** Who is to have addresses. */
export interface Claimant {
  /** `namespace/name` of a pod, or the name of a node. */
  readonly key: string;
  readonly wish: Wish;
  readonly role: GatewayRole;
}

/** Whether a pod may be the cluster's gateway: the label alone says nothing. */
export type MayBeGateway = (owner: PortOwner) => boolean;

export function claimantOf(owner: PortOwner, mayBeGateway: MayBeGateway): Claimant {
  return { key: owner.key, wish: wishOf(owner.annotations), role: roleOf(owner, mayBeGateway) };
}

export function roleOf(owner: PortOwner, mayBeGateway: MayBeGateway): GatewayRole {
  if (!owner.isLabelledGateway || !mayBeGateway(owner)) return 'none';
  return owner.isCandidate ? 'candidate' : 'gateway';
}
