import { encodeConditions, encodeMutations } from '../condition.ts';
import { sampleSchema } from './sample-schema.ts';

/** A condition or mutation without its types. */
export type AnyOperation = readonly [string, string, unknown];

export function encodeConditionsOf(condition: boolean | AnyOperation): unknown[] {
  return encodeConditions(sampleSchema, 'Thing', [condition as boolean]);
}

export function encodeMutationsOf(mutation: AnyOperation): unknown[] {
  return encodeMutations(sampleSchema, 'Thing', [mutation]);
}
