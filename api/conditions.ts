import type { Condition } from './meta.ts';
import { anyText, type Field, integer, listOf, objectOf, oneOf, optional } from './parse.ts';

/** A condition as it is stored; what it lacks against metav1.Condition is given an empty text. */
const condition: Field<Condition> = objectOf({
  type: anyText,
  status: oneOf('True', 'False', 'Unknown'),
  reason: anyText,
  message: anyText,
  lastTransitionTime: anyText,
  observedGeneration: optional(integer(0, Number.MAX_SAFE_INTEGER)),
});

export const conditions: Field<readonly Condition[]> = listOf(condition);
