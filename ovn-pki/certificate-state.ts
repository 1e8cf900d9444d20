/** Whether a certificate that is there serves on. Pure. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { AuthorityName } from './certificate-kind.ts';

/** PEM of the authorities that are trusted now. */
export type Bundles = Readonly<Record<AuthorityName, string>>;

/** PEM texts of the four files; see {@link certificateFiles}. */
export interface CertificateFiles {
  readonly key: string;
  readonly certificate: string;
  /** Who signs the databases' and the ovn-controller's certificates. */
  readonly authorities: string;
  /** Who signs those of all clients of the southbound database. */
  readonly clients: string;
}

/** Their names in the directory `current`. */
export const certificateFiles = {
  key: 'tls.key',
  certificate: 'tls.crt',
  authorities: 'ca.crt',
  clients: 'clients.crt',
} as const satisfies Record<keyof CertificateFiles, string>;

export type CertificateState =
  | { readonly kind: 'renew'; readonly why: string }
  /** The certificate serves, but other authorities are trusted than the files say. */
  | { readonly kind: 'rewrite' }
  /** Milliseconds since the epoch. */
  | { readonly kind: 'good'; readonly renewAt: number };

export function assess(
  now: number,
  files: CertificateFiles | undefined,
  commonName: string,
  authority: AuthorityName,
  bundles: Bundles,
): CertificateState {
  if (files === undefined) return { kind: 'renew', why: 'there is none' };
  const certificate = parse(files);
  if (certificate === undefined) return { kind: 'renew', why: 'it cannot be read' };
  if (certificate.subject !== `CN=${commonName}`) return { kind: 'renew', why: 'its name is another' };
  if (!isSignedByOneOf(certificate, bundles[authority]))
    return { kind: 'renew', why: 'its authority is not trusted any more' };
  const renewAt = renewalTime(certificate);
  if (now >= renewAt) return { kind: 'renew', why: 'it is old' };
  if (files.authorities !== bundles.control || files.clients !== clientBundle(bundles))
    return { kind: 'rewrite' };
  return { kind: 'good', renewAt };
}

/** Certificates of all whose clients the southbound database serves. */
export function clientBundle({ control, chassis }: Bundles): string {
  return `${control}${chassis}`;
}

/** When a third of its life is left, in milliseconds since the epoch. */
export function renewalTime(certificate: X509Certificate): number {
  const from = certificate.validFromDate.getTime();
  const to = certificate.validToDate.getTime();
  return to - (to - from) / 3;
}

/** Undefined where it is no certificate, or not of that key. */
function parse({ certificate, key }: CertificateFiles): X509Certificate | undefined {
  try {
    const parsed = new X509Certificate(certificate);
    return parsed.checkPrivateKey(createPrivateKey(key)) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** @param bundle PEM of any number of certificates. */
export function isSignedByOneOf(certificate: X509Certificate, bundle: string): boolean {
  const found = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.some(pem => {
    const authority = new X509Certificate(pem);
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  });
}
