/** Certificates by @peculiar/x509 and the WebCrypto of Node. */
// The library's dependency injection needs it, before anything of the library is loaded.
import 'reflect-metadata';
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { Authority } from './authority-plan.ts';
import type { Wish } from './request-policy.ts';

x509.cryptoProvider.set(webcrypto);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** A clock that is behind ours by so much still takes a new certificate, in milliseconds. */
const clockSkew = 300_000;

/**
 * Makes an authority: a self-signed certificate (RFC 5280) that may sign end entities only.
 *
 * @param lifetime in milliseconds.
 */
export async function makeAuthority(name: string, now: number, lifetime: number): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const serialNumber = randomSerial();
  const [notBefore, notAfter] = [now, now + lifetime];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber,
    // Two generations have names of their own, so that a chain is found by its name.
    name: [{ CN: [`nauti-ovn-${name} ${serialNumber.slice(0, 8)}`] }],
    notBefore: new Date(notBefore - clockSkew),
    notAfter: new Date(notAfter),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: x509.PemConverter.encode(key, 'PRIVATE KEY'),
    notBefore,
    notAfter,
  };
}

/** What a PKCS #10 request (RFC 2986) asks for, and its public key. @throws Error where it is none. */
export async function readRequest(
  pem: string,
): Promise<{ readonly wish: Wish; readonly request: x509.Pkcs10CertificateRequest }> {
  const request = new x509.Pkcs10CertificateRequest(pem);
  const attributes = request.subjectName.toJSON().flatMap(part => Object.entries(part));
  const { name, namedCurve } = request.publicKey.algorithm as { name: string; namedCurve?: string };
  return {
    request,
    wish: {
      commonNames: attributes.flatMap(([type, values]) => (type === 'CN' ? values : [])),
      more: [
        ...attributes.filter(([type]) => type !== 'CN').map(([type]) => `the subject's ${type}`),
        ...request.attributes.map(attribute => `the attribute ${attribute.type}`),
      ],
      curve: /^ECD/.test(name) ? namedCurve : undefined,
      // False too where the algorithm of its signature is not one that is known.
      selfSigned: await request.verify().catch(() => false),
    },
  };
}

export interface IssueOptions {
  readonly authority: Authority;
  readonly commonName: string;
  /** DNS names; a certificate with some is a server's too. */
  readonly serverNames: readonly string[];
  readonly now: number;
  /** Milliseconds; it never outlives its authority. */
  readonly lifetime: number;
}

/** @returns PEM of a certificate for the key of a request. Nothing else of the request gets into it. */
export async function issue(request: x509.Pkcs10CertificateRequest, options: IssueOptions): Promise<string> {
  const { authority, commonName, serverNames, now, lifetime } = options;
  const issuer = new x509.X509Certificate(authority.certificate);
  const pkcs8 = createPrivateKey(authority.key).export({ type: 'pkcs8', format: 'der' });
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
  const isServer = serverNames.length > 0;
  const usages = [x509.ExtendedKeyUsage.clientAuth, ...(isServer ? [x509.ExtendedKeyUsage.serverAuth] : [])];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    issuer: issuer.subject,
    subject: [{ CN: [commonName] }],
    notBefore: new Date(now - clockSkew),
    notAfter: new Date(Math.min(now + lifetime, authority.notAfter)),
    publicKey: request.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(request.publicKey),
      ...(isServer
        ? [
            new x509.SubjectAlternativeNameExtension(
              serverNames.map(value => ({ type: 'dns' as const, value })),
            ),
          ]
        : []),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** 127 random bits, in hexadecimal: positive, at most 20 octets (RFC 5280, 4.1.2.2). */
function randomSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

/** @throws Error where it is no certificate with its own key, or has expired so that nothing can be made of it. */
export function checkedAuthority(authority: Authority): Authority {
  const certificate = new X509Certificate(authority.certificate);
  if (!certificate.checkPrivateKey(createPrivateKey(authority.key))) {
    throw new Error('Cannot use an authority as its key must be that of its certificate');
  }
  return authority;
}
