/**
 * Makes a PKCS #10 request (RFC 2986) of a Common Name and a P-256 key.
 *
 * Written by hand: it is a constant shape of three parts, and a library that reads and writes all of X.509 would cost each
 * node 20 MB.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const sequence = 0x30;
const set = 0x31;
const utf8String = 0x0c;
const bitString = 0x03;
/** [0] IMPLICIT SET OF Attribute, without any. */
const noAttributes = Buffer.from('a000', 'hex');
/** INTEGER 0 */
const version = Buffer.from('020100', 'hex');
/** OBJECT IDENTIFIER 2.5.4.3 */
const commonNameOid = Buffer.from('0603550403', 'hex');
/** OBJECT IDENTIFIER 1.2.840.10045.4.3.2, ecdsa-with-SHA256 (RFC 5758) */
const ecdsaWithSha256 = Buffer.from('06082a8648ce3d040302', 'hex');

/** DER of a value: tag, definite length, content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const length = body.length;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

/** A new key: PEM, PKCS #8. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** @returns PEM of the request, signed by the key. */
export function certificateRequest(commonName: string, key: KeyObject): string {
  const name = der(
    sequence,
    der(set, der(sequence, commonNameOid, der(utf8String, Buffer.from(commonName)))),
  );
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const info = der(sequence, version, name, publicKey, noAttributes);
  const signature = sign('sha256', info, { key, dsaEncoding: 'der' });
  const request = der(
    sequence,
    info,
    der(sequence, ecdsaWithSha256),
    der(bitString, Buffer.from([0]), signature),
  );
  const lines = request.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`;
}
