import { anyText, boolean, integer, listOf, type ObjectOf, objectOf, optional, textMap } from './parse.ts';

const ownerReference = objectOf({
  apiVersion: anyText,
  kind: anyText,
  name: anyText,
  uid: anyText,
  controller: optional(boolean),
  blockOwnerDeletion: optional(boolean),
});

const shape = {
  name: anyText,
  namespace: optional(anyText),
  uid: optional(anyText),
  resourceVersion: optional(anyText),
  generation: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  creationTimestamp: optional(anyText),
  deletionTimestamp: optional(anyText),
  labels: textMap,
  annotations: textMap,
  finalizers: optional(listOf(anyText)),
  ownerReferences: optional(listOf(ownerReference)),
};

/** What we use of metav1.ObjectMeta; `managedFields` is dropped. A manifest has neither uid nor resourceVersion. */
export type Meta = ObjectOf<typeof shape>;

export const meta = objectOf(shape);
