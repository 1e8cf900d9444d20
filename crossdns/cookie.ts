import { randomBytes } from 'node:crypto';
import type { ClientAddress } from './client.ts';
import { sipHash24 } from './siphash.ts';

/** What a client's COOKIE option is worth. */
export const cookieVerdict = {
  /** No server cookie: the client is new. */
  absent: 0,
  /** A server cookie that is not ours, or too old. */
  bad: 1,
  /** The client has received an answer at its address before: the address is not forged. */
  good: 2,
} as const;

const clientSize = 8;
const serverSize = 16;
const version = 1;

/** In seconds (RFC 9018 section 4.3): how old a cookie may be, how far ahead, and from when on it is renewed. */
const [maxAge, maxAhead, renewAfter] = [3_600, 300, 1_800];

/**
 * Server cookies of RFC 9018: version, reserved, timestamp, and a hash over these, the client's cookie and address.
 * Nothing is remembered of a client. Servers behind one address need the same secrets.
 */
export class CookieBaker {
  /** The first makes cookies; the others are still good while a secret is being replaced. */
  #secrets: readonly Uint8Array[];
  readonly #message = new Uint8Array(clientSize + 8 + 16);
  readonly #hash = new Uint8Array(8);

  /** @param secrets 16 octets each; a random one is made where none is given. */
  constructor(secrets: readonly Uint8Array[] = []) {
    this.#secrets = secrets.length > 0 ? secrets : [randomBytes(16)];
  }

  replaceSecrets(secrets: readonly Uint8Array[]): void {
    if (secrets.length > 0) this.#secrets = secrets;
  }

  /**
   * Judges the option's data at `at` in `message`, and writes the cookies for the answer.
   *
   * @param reply 24 octets.
   * @param now seconds since 1970.
   */
  judge(
    message: Uint8Array,
    at: number,
    length: number,
    client: ClientAddress,
    reply: Uint8Array,
    now: number,
  ): number {
    for (let i = 0; i < clientSize; i++) reply[i] = message[at + i] as number;
    const verdict = this.#check(message, at, length, client, now);
    const age = verdict === cookieVerdict.good ? (now - timestampOf(message, at + clientSize)) | 0 : maxAge;
    if (age <= renewAfter) {
      for (let i = clientSize; i < clientSize + serverSize; i++) reply[i] = message[at + i] as number;
    } else {
      this.#bake(client, reply, now);
    }
    return verdict;
  }

  #check(message: Uint8Array, at: number, length: number, client: ClientAddress, now: number): number {
    if (length === clientSize) return cookieVerdict.absent;
    const server = at + clientSize;
    if (length !== clientSize + serverSize || message[server] !== version) return cookieVerdict.bad;
    // Serial number arithmetic: the timestamp has 32 bits.
    const age = (now - timestampOf(message, server)) | 0;
    if (age > maxAge || age < -maxAhead) return cookieVerdict.bad;
    const input = this.#message;
    for (let i = 0; i < clientSize + 8; i++) input[i] = message[at + i] as number;
    for (const secret of this.#secrets) {
      this.#digest(secret, client);
      let difference = 0;
      // All octets are compared, so that the time does not tell how many were right.
      for (let i = 0; i < 8; i++) {
        difference |= (this.#hash[i] as number) ^ (message[server + 8 + i] as number);
      }
      if (difference === 0) return cookieVerdict.good;
    }
    return cookieVerdict.bad;
  }

  #bake(client: ClientAddress, reply: Uint8Array, now: number): void {
    const at = clientSize;
    reply[at] = version;
    reply.fill(0, at + 1, at + 4);
    for (let i = 0; i < 4; i++) reply[at + 4 + i] = now >>> (24 - 8 * i);
    for (let i = 0; i < clientSize + 8; i++) this.#message[i] = reply[i] as number;
    this.#digest(this.#secrets[0] as Uint8Array, client);
    reply.set(this.#hash, at + 8);
  }

  /** Of what stands in the message buffer, and the client's address. */
  #digest(secret: Uint8Array, client: ClientAddress): void {
    const words = client.family === 4 ? 1 : 4;
    let at = clientSize + 8;
    for (let i = 0; i < words; i++) {
      const word = client.words[i] as number;
      for (let shift = 24; shift >= 0; shift -= 8) this.#message[at++] = word >>> shift;
    }
    sipHash24(secret, this.#message, at, this.#hash, 0);
  }
}

/** Of the server cookie at `at`. */
function timestampOf(message: Uint8Array, at: number): number {
  return (
    ((message[at + 4] as number) << 24) |
    ((message[at + 5] as number) << 16) |
    ((message[at + 6] as number) << 8) |
    (message[at + 7] as number)
  );
}

/**
 * Secrets as a file has them: 32 hexadecimal digits a line, the one in use first.
 *
 * @throws Error that names the line.
 */
export function parseSecrets(text: string): Uint8Array[] {
  const lines = text.split('\n').map(line => line.trim());
  const secrets: Uint8Array[] = [];
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    // The value is a secret: it is not repeated.
    if (!/^[0-9a-f]{32}$/i.test(line)) {
      throw new Error(`Cannot use line ${i + 1} as a cookie secret as it must be 32 hexadecimal digits`);
    }
    secrets.push(Buffer.from(line, 'hex'));
  }
  return secrets;
}
