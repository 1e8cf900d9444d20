import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, hkdfSync } from 'node:crypto';

/** A WireGuard key pair; both are base64 of 32 bytes. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** DER before the 32 bytes of an X25519 private key (RFC 8410 section 7). */
const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex');

export function generateKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const text = (der: Buffer) => der.subarray(-32).toString('base64');
  return {
    privateKey: text(privateKey.export({ type: 'pkcs8', format: 'der' })),
    publicKey: text(publicKey.export({ type: 'spki', format: 'der' })),
  };
}

/** @throws RangeError for what is not base64 of 32 bytes; the key is not repeated. */
export function publicKeyOf(privateKey: string): string {
  const bytes = Buffer.from(privateKey, 'base64');
  if (bytes.length !== 32 || bytes.toString('base64') !== privateKey) {
    throw new RangeError('Cannot use a private key as it must be base64 of 32 bytes');
  }
  const key = createPrivateKey({ key: Buffer.concat([privatePrefix, bytes]), format: 'der', type: 'pkcs8' });
  return createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
}

/**
 * The pre-shared key of two clusters, from a secret that both were given and the hub was not.
 *
 * @param a cluster ids, in any order.
 */
export function presharedKey(secret: Buffer, a: string, b: string): string {
  const pair = [a, b].sort().join('\n');
  const salt = 'nauti octopus pre-shared key 1';
  return Buffer.from(hkdfSync('sha256', secret, salt, pair, 32)).toString('base64');
}

/** What of a key may be shown and compared: the first 8 bytes of its hash. */
export function keyFingerprint(publicKey: string): Buffer {
  return createHash('sha256').update(publicKey).digest().subarray(0, 8);
}

/**
 * Points of small order (RFC 7748 section 7, and their twins): whoever "owns" one shares its secret with everybody.
 * The top bit of the last byte is ignored by X25519.
 */
const weak = new Set(
  [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ].map(hex => hex.toLowerCase()),
);

export function isWeakKey(publicKey: string): boolean {
  const bytes = Buffer.from(publicKey, 'base64');
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  return weak.has(bytes.toString('hex'));
}

/**
 * The address at which a cluster's gateway answers inside the tunnels: link-local, so that nobody forwards it, and made
 * of the cluster's id, so that nobody has to be told.
 */
export function tunnelAddress(clusterId: string): string {
  const hash = createHash('sha256').update(`octopus ${clusterId}`).digest('hex');
  const groups = [0, 4, 8, 12].map(at => Number.parseInt(hash.slice(at, at + 4), 16).toString(16));
  // No group may be 0: the text is compared with what wg and ip print (RFC 5952).
  return `fe80::${groups.map(group => (group === '0' ? '1' : group)).join(':')}`;
}
