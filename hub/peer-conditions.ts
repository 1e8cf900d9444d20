import type { Condition } from '../api/meta.ts';
import { peerConditions } from '../api/peer.ts';
import type { CidrChoice } from './cidr-choice.ts';

type Said = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

export function saysAlive(alive: boolean): Said {
  return alive
    ? {
        type: peerConditions.alive,
        status: 'True',
        reason: 'LeaseRenewed',
        message: 'the cluster renews its lease',
      }
    : {
        type: peerConditions.alive,
        status: 'False',
        reason: 'LeaseExpired',
        message: 'the cluster gives no sign of life: its lease ended',
      };
}

export function saysCidr({ cidrs, refused, exhausted }: CidrChoice): Said {
  const type = peerConditions.cidrGiven;
  const because = refused === undefined ? '' : `, not the one asked for as ${refused}`;
  if (cidrs.length === 0) {
    const message = `${exhausted.join(', ')} has no free part left${because}`;
    return { type, status: 'False', reason: 'Exhausted', message };
  }
  const lacking = exhausted.length === 0 ? '' : `; ${exhausted.join(', ')} has no free part left`;
  return {
    type,
    status: 'True',
    reason: refused === undefined ? 'Given' : 'AnotherGiven',
    message: `${cidrs.join(', ')} is given${because}${lacking}`,
  };
}

/** The hub's conditions with one said anew. The time stands as long as the status does (metav1.Condition). */
export function withCondition(
  conditions: ReadonlyMap<string, Condition>,
  said: Said,
  now: Date,
): readonly Condition[] {
  const before = conditions.get(said.type);
  const lastTransitionTime =
    before?.status === said.status ? before.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`;
  const others = [...conditions.values()].filter(({ type }) => type !== said.type);
  return [...others, { ...said, lastTransitionTime }].sort((a, b) => (a.type < b.type ? -1 : 1));
}
