import { expect } from 'chai';
import type { Condition } from '../api/meta.ts';
import {
  asConditions,
  type ExportCircumstances,
  exportVerdicts,
  importVerdicts,
  sameConditions,
} from './conditions.ts';
import type { ExportPlan } from './export-plan.ts';
import { mergeExports } from './merge.ts';

const spec = {
  clusterId: 'a',
  namespace: 'demo',
  name: 'web',
  exportedAt: '2026-05-01T12:00:00Z',
  type: 'ClusterSetIP' as const,
  ports: [],
  ipFamilies: ['IPv4' as const],
  sessionAffinity: 'None' as const,
  exportedLabels: {},
  exportedAnnotations: {},
};
const exported: ExportPlan = { kind: 'exported', spec, slices: [] };
const refused: ExportPlan = { kind: 'refused', reason: 'NoService', message: 'there is no Service demo/web' };

function told(fields: Partial<ExportCircumstances> = {}): string[] {
  const verdicts = exportVerdicts({
    plan: exported,
    onHub: true,
    failure: undefined,
    complete: true,
    merged: mergeExports([spec]),
    present: [],
    ...fields,
  });
  return verdicts.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

describe('conditions of an export', () => {
  const cases: readonly [string, Partial<ExportCircumstances>, string[]][] = [
    ['without a Service', { plan: refused, onHub: false }, ['Valid False NoService', 'Ready False Pending']],
    ['without a Service any more', { plan: refused }, ['Valid False NoService', 'Ready False Pending']],
    [
      'refused by the hub',
      { onHub: false, failure: 'the name is not of cluster a' },
      ['Valid True Valid', 'Ready False Failed', 'Conflict False NoConflicts'],
    ],
    [
      'before the hub has it',
      { onHub: false },
      ['Valid True Valid', 'Ready False Pending', 'Conflict False NoConflicts'],
    ],
    ['exported', {}, ['Valid True Valid', 'Ready True Exported', 'Conflict False NoConflicts']],
    [
      'unreadable, and on the hub from before',
      { plan: { kind: 'unreadable', message: 'x' } },
      ['Valid False Unreadable', 'Ready True Exported'],
    ],
    [
      'while the exports of others are not known',
      { complete: false },
      ['Valid True Valid', 'Ready True Exported'],
    ],
  ];
  for (const [title, fields, conditions] of cases) {
    it(title, () => expect(told(fields)).to.deep.equal(conditions));
  }

  it('joins the reasons of several conflicts by commas, and says who wins and who differs', () => {
    const merged = mergeExports([
      spec,
      { ...spec, clusterId: 'b', type: 'Headless', exportedLabels: { x: 'y' } },
    ]);
    const conflict = exportVerdicts({
      plan: exported,
      onHub: true,
      failure: undefined,
      complete: true,
      merged,
      present: [],
    }).at(-1);
    expect(conflict).to.deep.equal({
      type: 'Conflict',
      status: 'True',
      reason: 'TypeConflict,LabelsConflict',
      message: 'the export of a is the oldest and wins: TypeConflict with b; LabelsConflict with b',
    });
  });

  it('keeps a conflict that was found while the hub cannot be read', () => {
    const before: Condition = {
      type: 'Conflict',
      status: 'True',
      reason: 'PortConflict',
      message: 'm',
      lastTransitionTime: 't',
    };
    expect(told({ complete: false, present: [before] }).at(-1)).to.equal('Conflict True PortConflict');
  });
});

describe('conditions of an import', () => {
  it('is ready without an address where it needs none, and pending where it does', () => {
    const of = (needsVip: boolean, ips: string[]) =>
      importVerdicts({ needsVip, ips, problem: undefined }).map(one => `${one.status} ${one.reason}`);
    expect(of(false, [])).to.deep.equal(['True Ready']);
    expect(of(true, [])).to.deep.equal(['False Pending']);
    expect(of(true, ['10.97.0.1'])).to.deep.equal(['True Ready']);
  });

  it('says why it has no address', () => {
    const problem = { reason: 'IPFamilyNotSupported', message: 'no IPv6 here' } as const;
    expect(importVerdicts({ needsVip: true, ips: [], problem })).to.deep.equal([
      { type: 'Ready', status: 'False', ...problem },
    ]);
  });
});

describe('conditions as objects', () => {
  const verdict = { type: 'Valid', status: 'True', reason: 'Valid', message: 'm' } as const;
  const before: Condition = { ...verdict, lastTransitionTime: '2026-01-01T00:00:00Z', observedGeneration: 1 };
  const circumstances = { now: '2026-02-02T00:00:00Z', generation: 1 };

  it('keep the time of the last transition while the status stays', () => {
    const [same] = asConditions([{ ...verdict, reason: 'Other' }], [before], circumstances);
    expect(same?.lastTransitionTime).to.equal('2026-01-01T00:00:00Z');
    const [other] = asConditions([{ ...verdict, status: 'False' }], [before], circumstances);
    expect(other?.lastTransitionTime).to.equal('2026-02-02T00:00:00Z');
  });

  it('are the same but for what others have said', () => {
    const wanted = asConditions([verdict], [before], circumstances);
    const foreign: Condition = { ...before, type: 'example.org/Seen' };
    const obsolete: Condition = { ...before, type: 'Conflict' };
    expect(sameConditions(wanted, [before, foreign])).to.equal(true);
    expect(sameConditions(wanted, [before, obsolete])).to.equal(false);
    expect(sameConditions(wanted, [])).to.equal(false);
    expect(sameConditions(wanted, [{ ...before, message: 'n' }])).to.equal(false);
    expect(sameConditions(wanted, [{ ...before, observedGeneration: 0 }])).to.equal(false);
  });
});
