/** Whether a CertificateSigningRequest is granted. Pure, but for the signature that its reader has checked. */
import type { CertificateKind } from './certificate-kind.ts';

/** Who asks, as the API server says it: no client can set these fields. */
export interface Requester {
  readonly username: string;
  /** From the claims of a pod's token (Kubernetes ≥ 1.30): the node that the pod was bound to. */
  readonly nodeName: string | undefined;
}

/** What a PKCS #10 request asks for. */
export interface Wish {
  /** Common Names of its subject; anything else that it has is in `more`. */
  readonly commonNames: readonly string[];
  /** Other parts of the subject, attributes and extensions: none is granted. */
  readonly more: readonly string[];
  /** `P-256` for an elliptic curve of that name. */
  readonly curve: string | undefined;
  /** Whether it is signed by its own key. */
  readonly selfSigned: boolean;
}

export interface Policy {
  /** `<namespace>/<name>` of the only ServiceAccount that may ask for a kind. */
  readonly accounts: Readonly<Record<CertificateKind, string>>;
}

/** Undefined grants it; a sentence says why not. */
export function objection(
  kind: CertificateKind,
  requester: Requester,
  wish: Wish,
  policy: Policy,
): string | undefined {
  const account = `system:serviceaccount:${policy.accounts[kind].replace('/', ':')}`;
  if (requester.username !== account) return `only ${account} may ask for it: ${requester.username} did`;
  if (!wish.selfSigned) return 'it must be signed by its own key';
  if (wish.curve !== 'P-256') return 'its key must be of the curve P-256';
  if (wish.more.length > 0)
    return `it must ask for nothing but a Common Name: it asks for ${wish.more.join(', ')}`;
  const [name, ...others] = wish.commonNames;
  if (name === undefined || others.length > 0) return 'it must have one Common Name';
  if (!/^[a-z0-9][-.a-z0-9]{0,63}$/.test(name)) return 'its Common Name must be of a-z, 0-9, . and -';
  if (kind === 'chassis' && requester.nodeName === undefined)
    return 'the token of who asks must name its node, as it does on Kubernetes ≥ 1.30';
  if (kind === 'chassis' && name !== requester.nodeName)
    return `its Common Name must be that of the node ${requester.nodeName}: it is ${name}`;
  return undefined;
}
