/** What people are told of an export and of an import: the conditions of KEP-1645, with its reasons. Pure. */

import type { Condition } from '../api/meta.ts';
import type { ExportPlan } from './export-plan.ts';
import type { MergedService } from './merge.ts';

/** A condition without the time of its last transition. */
export type Verdict = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

export interface ExportCircumstances {
  readonly plan: ExportPlan;
  /** Whether the hub has this cluster's ExportedService for it, as far as we know. */
  readonly onHub: boolean;
  /** What the hub refused it for. */
  readonly failure: string | undefined;
  /** Whether all exports of other clusters are known. */
  readonly complete: boolean;
  /** The merge of all exports, this one included; it does not matter here who may import them. */
  readonly merged: MergedService | undefined;
  readonly present: readonly Condition[];
}

export function exportVerdicts(circumstances: ExportCircumstances): readonly Verdict[] {
  const conflict = conflictVerdict(circumstances);
  return [
    validVerdict(circumstances.plan),
    readyVerdict(circumstances),
    ...(conflict === undefined ? [] : [conflict]),
  ];
}

function validVerdict(plan: ExportPlan): Verdict {
  if (plan.kind === 'refused') {
    return { type: 'Valid', status: 'False', reason: plan.reason, message: plan.message };
  }
  if (plan.kind === 'unreadable') {
    return { type: 'Valid', status: 'False', reason: 'Unreadable', message: plan.message };
  }
  return { type: 'Valid', status: 'True', reason: 'Valid', message: 'the Service can be exported' };
}

function readyVerdict({ plan, onHub, failure }: ExportCircumstances): Verdict {
  const type = 'Ready';
  if (plan.kind === 'refused') {
    return { type, status: 'False', reason: 'Pending', message: 'exported as soon as the export is valid' };
  }
  if (onHub) return { type, status: 'True', reason: 'Exported', message: 'the hub has the export' };
  if (failure !== undefined) return { type, status: 'False', reason: 'Failed', message: failure };
  return { type, status: 'False', reason: 'Pending', message: 'the hub does not have the export yet' };
}

/** As long as other exports are not known, what was said of them before stays. */
function conflictVerdict({ plan, complete, merged, present }: ExportCircumstances): Verdict | undefined {
  if (plan.kind !== 'exported' || merged === undefined) return undefined;
  if (!complete) return present.find(condition => condition.type === 'Conflict');
  const type = 'Conflict';
  const { conflicts, clusterIds } = merged;
  if (conflicts.length === 0) {
    return { type, status: 'False', reason: 'NoConflicts', message: 'all exports of the service agree' };
  }
  const differences = conflicts.map(({ reason, clusterIds }) => `${reason} with ${listed(clusterIds)}`);
  return {
    type,
    status: 'True',
    reason: conflicts.map(conflict => conflict.reason).join(','),
    message: `the export of ${clusterIds[0]} is the oldest and wins: ${differences.join('; ')}`,
  };
}

/** As many ids as a person reads. */
const mostListed = 8;

function listed(ids: readonly string[]): string {
  const rest = ids.length - mostListed;
  return rest > 0 ? `${ids.slice(0, mostListed).join(', ')} and ${rest} more` : ids.join(', ');
}

export interface ImportCircumstances {
  readonly needsVip: boolean;
  readonly ips: readonly string[];
  /** Why there is no VIP, where the API server said so. */
  readonly problem:
    | { readonly reason: 'Pending' | 'IPFamilyNotSupported'; readonly message: string }
    | undefined;
}

export function importVerdicts({ needsVip, ips, problem }: ImportCircumstances): readonly Verdict[] {
  const type = 'Ready';
  if (problem !== undefined) return [{ type, status: 'False', ...problem }];
  if (needsVip && ips.length === 0) {
    return [{ type, status: 'False', reason: 'Pending', message: 'the import has no address yet' }];
  }
  return [{ type, status: 'True', reason: 'Ready', message: 'the service is imported' }];
}

/** Longest message that the CRDs take. */
const longestMessage = 32_768;

/**
 * Verdicts as conditions: the time of the last transition is kept where the status is.
 *
 * @param now RFC 3339 in whole seconds.
 */
export function asConditions(
  verdicts: readonly Verdict[],
  present: readonly Condition[],
  { now, generation }: { readonly now: string; readonly generation: number },
): readonly Condition[] {
  return verdicts.map(({ type, status, reason, message }) => {
    const before = present.find(condition => condition.type === type);
    return {
      type,
      status,
      reason,
      message: message.slice(0, longestMessage),
      lastTransitionTime: before?.status === status ? before.lastTransitionTime : now,
      observedGeneration: generation,
    };
  });
}

const ownTypes: ReadonlySet<string> = new Set(['Valid', 'Ready', 'Conflict']);

/** Whether the conditions that are there say the same already. Those of others do not matter. */
export function sameConditions(wanted: readonly Condition[], present: readonly Condition[]): boolean {
  const stale = present.some(
    one => ownTypes.has(one.type) && !wanted.some(condition => condition.type === one.type),
  );
  if (stale) return false;
  return wanted.every(condition => {
    const there = present.find(one => one.type === condition.type);
    return (
      there !== undefined &&
      there.status === condition.status &&
      there.reason === condition.reason &&
      there.message === condition.message &&
      there.observedGeneration === condition.observedGeneration
    );
  });
}
