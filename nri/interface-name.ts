import { createHash } from 'node:crypto';
import type { Sandbox } from './sandbox.ts';

/** All of our host interfaces begin so. */
export const interfacePrefix = 'nauti';
/** 15 characters is the kernel's limit; 10 of base32 are 50 bits: 10,000 pods collide once in 22 million nodes. */
const hashLength = 10;
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * Name of the host's end of a pod's veth: of the pod's UID and its sandbox.
 *
 * A name serves for one device only: OVS keeps a dead port where a device is made anew under the name of one that its
 * port was for. Whoever makes a second device for a sandbox gives another `nonce`.
 */
export function interfaceName({ uid, id }: Pick<Sandbox, 'uid' | 'id'>, nonce = ''): string {
  const hash = createHash('sha256').update(`${uid}\n${id}\n${nonce}`).digest();
  return interfacePrefix + Array.from(hash.subarray(0, hashLength), byte => alphabet[byte & 31]).join('');
}

/** Whether a device's name is one that {@link interfaceName} makes. */
export function isInterfaceName(name: string): boolean {
  return /^nauti[a-z2-7]{10}$/.test(name);
}
