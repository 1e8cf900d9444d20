import type { KubeObject } from '../api/meta.ts';
import { hubLabels, joinAnnotations } from '../api/names.ts';
import { joinAccountName, memberAccountName } from '../api/object-names.ts';

/** Whose objects, and where. */
export interface ClusterPlace {
  /** The share namespace. */
  readonly namespace: string;
  readonly id: string;
}

/** Label of the ServiceAccounts that clusters act as. */
export const accountLabel = 'nauti.io/account';
export type Account = 'member' | 'join';

/** Annotations of the ServiceAccount that a join token acts as. */
export const tokenAnnotations = {
  /** When the token ends, RFC 3339. */
  expiresAt: 'nauti.io/expires-at',
  /** Name of the Secret, Role and RoleBinding of this one token. */
  objects: 'nauti.io/token-objects',
  /** See {@link joinAnnotations.joinedWith}; written once the token is made. */
  fingerprint: 'nauti.io/token-fingerprint',
} as const;

/** The Role that every member has in the share namespace; it comes with the installation. */
export const memberRole = 'nauti-member';

const rbac = 'rbac.authorization.k8s.io';

/** Name of the Role by which a member renews its own token. */
export function renewalName(id: string): string {
  return `renew-${id}`;
}

function labelsOf(id: string, account?: Account): Record<string, string> {
  return {
    'app.kubernetes.io/part-of': 'nauti',
    [hubLabels.clusterId]: id,
    ...(account && { [accountLabel]: account }),
  };
}

/** What a cluster acts as once it has joined. */
export function memberAccount(
  { namespace, id }: ClusterPlace,
  requestedCidr: string | undefined,
): KubeObject {
  return {
    metadata: {
      namespace,
      name: memberAccountName(id),
      labels: labelsOf(id, 'member'),
      ...(requestedCidr !== undefined && { annotations: { [joinAnnotations.requestedCidr]: requestedCidr } }),
    },
    automountServiceAccountToken: false,
  };
}

/** A member may make tokens for itself, and for nobody else. */
export function renewalRole({ namespace, id }: ClusterPlace): KubeObject {
  return {
    metadata: { namespace, name: renewalName(id), labels: labelsOf(id) },
    rules: [ownTokenRule(id)],
  };
}

/** The bindings of a member: what all members may do, and its own renewal. */
export function memberBindings(place: ClusterPlace): readonly KubeObject[] {
  const account = memberAccountName(place.id);
  return [
    binding(place, account, memberRole, account),
    binding(place, renewalName(place.id), renewalName(place.id), account),
  ];
}

export interface JoinTokenObjects {
  /** Unique to this token. */
  readonly name: string;
  readonly expiresAt: Date;
}

/** What a join token acts as. */
export function joinAccount({ namespace, id }: ClusterPlace, token: JoinTokenObjects): KubeObject {
  return {
    metadata: {
      namespace,
      name: joinAccountName(id),
      labels: labelsOf(id, 'join'),
      annotations: {
        [tokenAnnotations.expiresAt]: token.expiresAt.toISOString(),
        [tokenAnnotations.objects]: token.name,
      },
    },
    automountServiceAccountToken: false,
  };
}

/** It may make a token for the member's ServiceAccount, and end itself. */
export function joinRole({ namespace, id }: ClusterPlace, { name }: JoinTokenObjects): KubeObject {
  return {
    metadata: { namespace, name, labels: labelsOf(id) },
    rules: [
      ownTokenRule(id),
      { apiGroups: [''], resources: ['secrets'], resourceNames: [name], verbs: ['delete'] },
      { apiGroups: [rbac], resources: ['rolebindings'], resourceNames: [name], verbs: ['delete'] },
    ],
  };
}

export function joinBinding(place: ClusterPlace, { name }: JoinTokenObjects): KubeObject {
  return binding(place, name, name, joinAccountName(place.id));
}

/** Holds nothing: the token is bound to its existence. */
export function joinSecret({ namespace, id }: ClusterPlace, { name }: JoinTokenObjects): KubeObject {
  return {
    metadata: { namespace, name, labels: labelsOf(id) },
    type: 'nauti.io/join-token',
    immutable: true,
  };
}

function ownTokenRule(id: string): object {
  return {
    apiGroups: [''],
    resources: ['serviceaccounts/token'],
    resourceNames: [memberAccountName(id)],
    verbs: ['create'],
  };
}

function binding(place: ClusterPlace, name: string, role: string, account: string): KubeObject {
  return {
    metadata: { namespace: place.namespace, name, labels: labelsOf(place.id) },
    roleRef: { apiGroup: rbac, kind: 'Role', name: role },
    subjects: [{ kind: 'ServiceAccount', namespace: place.namespace, name: account }],
  };
}
