/** What is read of a CertificateSigningRequest (certificates.k8s.io/v1). */
import type { KubeObject } from '../api/meta.ts';
import { type CertificateKind, kindOfSigner } from './certificate-kind.ts';
import type { Requester } from './request-policy.ts';

interface SetCondition {
  readonly type: string;
  /** RFC 3339; the API server's. */
  readonly lastUpdateTime?: string;
}

export interface SigningRequest {
  readonly kind: CertificateKind;
  readonly requester: Requester;
  /** PEM; whatever the client has sent. */
  readonly request: string;
  readonly isApproved: boolean;
  /** It has its certificate, or has been denied, or has failed: nothing more happens. */
  readonly isSettled: boolean;
  /** When it was made, or last got a condition, in milliseconds since the epoch, by the API server's clock. */
  readonly touchedAt: number;
}

/** Undefined where another signer is asked. */
export function readSigningRequest(object: KubeObject): SigningRequest | undefined {
  const spec = object.spec as Record<string, unknown>;
  const kind = kindOfSigner(String(spec.signerName));
  if (kind === undefined) return undefined;
  const extra = spec.extra as Record<string, readonly string[]> | undefined;
  const nodes = extra?.['authentication.kubernetes.io/node-name'] ?? [];
  const status = object.status as
    | { readonly certificate?: string; readonly conditions?: readonly SetCondition[] }
    | undefined;
  const set = status?.conditions ?? [];
  const conditions = set.map(({ type }) => type);
  const times = [object.metadata.creationTimestamp, ...set.map(({ lastUpdateTime }) => lastUpdateTime)];
  return {
    kind,
    requester: { username: String(spec.username), nodeName: nodes.length === 1 ? nodes[0] : undefined },
    request: Buffer.from(String(spec.request), 'base64').toString(),
    isApproved: conditions.includes('Approved'),
    isSettled:
      status?.certificate !== undefined || conditions.includes('Denied') || conditions.includes('Failed'),
    touchedAt: Math.max(...times.map(time => Date.parse(time ?? '')).filter(Number.isFinite)),
  };
}

/** The object with one more condition, for its subresource `approval` or `status`. */
export function withCondition(
  object: KubeObject,
  type: 'Approved' | 'Denied' | 'Failed',
  reason: string,
  message: string,
): KubeObject {
  const status = (object.status ?? {}) as { readonly conditions?: readonly object[] };
  const condition = { type, status: 'True', reason, message };
  return { ...object, status: { ...status, conditions: [...(status.conditions ?? []), condition] } };
}

export function withCertificate(object: KubeObject, pem: string): KubeObject {
  const status = (object.status ?? {}) as object;
  return { ...object, status: { ...status, certificate: Buffer.from(pem).toString('base64') } };
}
