import { ovnSignerPrefix } from '../api/certificate-signers.ts';

/** What a certificate is for; each kind is a signer of the Kubernetes API of its own, and has one ServiceAccount. */
export const certificateKinds = ['database', 'controller', 'chassis'] as const;
export type CertificateKind = (typeof certificateKinds)[number];

/** The `spec.signerName` of its CertificateSigningRequests. */
export function signerName(kind: CertificateKind): string {
  return `${ovnSignerPrefix}${kind}`;
}

/** Undefined where the signer is somebody else. */
export function kindOfSigner(name: string): CertificateKind | undefined {
  return certificateKinds.find(kind => signerName(kind) === name);
}

/**
 * The two authorities. The northbound database, which knows no roles, trusts `control` alone: a node's certificate opens
 * only the southbound one, as what OVN's role of a chassis may do there.
 */
export const authorityNames = ['control', 'chassis'] as const;
export type AuthorityName = (typeof authorityNames)[number];

export function authorityOf(kind: CertificateKind): AuthorityName {
  return kind === 'chassis' ? 'chassis' : 'control';
}

/** The Secret with the authorities and their keys, and the ConfigMap with their certificates. */
export const authorityObject = 'nauti-ovn-ca';
