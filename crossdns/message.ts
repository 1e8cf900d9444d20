/** Reads a query as it came from the wire. Pure: no I/O, no allocation, any octets are legal input. */

import { headerSize, maxName, opcode, recordType } from './protocol.ts';

/** What is to become of a message. */
export const verdict = {
  /** Not a query at all: no answer, or two servers would talk for ever (RFC 8906 section 3.1). */
  drop: 0,
  answer: 1,
  formErr: 2,
  notImplemented: 3,
} as const;

const optionCode = { nsid: 3, cookie: 10, keepalive: 11 } as const;

const maxLabels = 128;

/** One query. A single instance is filled again and again; its fields hold until the next call. */
export class Query {
  /** Second and third octet pair of the message. */
  flags = 0;
  /** The question's name in lower case, wire form with the closing zero. */
  readonly name: Uint8Array = new Uint8Array(maxName);
  nameLength = 0;
  /** Where each label begins in `name`, without the root. */
  readonly labels: Uint8Array = new Uint8Array(maxLabels);
  labelCount = 0;
  type = 0;
  class = 0;
  /** Offset behind the question in the message; 12 where there is none. */
  questionEnd: number = headerSize;

  /** Whether an OPT record is there; the fields below belong to it (RFC 6891). */
  edns = false;
  ednsVersion = 0;
  /** The sender's largest UDP payload, in octets. */
  udpSize = 0;
  dnssecOk = false;
  nsid = false;
  /** edns-tcp-keepalive (RFC 7828). */
  keepalive = false;
  /** Offset of the COOKIE option's data in the message, 0 where there is none (RFC 7873). */
  cookieAt = 0;
  cookieLength = 0;

  /** Reads the first `length` octets of `message`. */
  read(message: Uint8Array, length: number): number {
    this.#reset();
    if (length < headerSize) return verdict.drop;
    this.flags = u16(message, 2);
    if (this.flags & 0x8000) return verdict.drop;
    if (((this.flags >> 11) & 15) !== opcode.QUERY) return verdict.notImplemented;
    const questions = u16(message, 4);
    const answers = u16(message, 6);
    const authorities = u16(message, 8);
    const additionals = u16(message, 10);
    // An IXFR carries one SOA as authority (RFC 1995 section 3); nothing else carries records there.
    if (questions > 1 || answers !== 0 || authorities > 1) return verdict.formErr;
    let at: number = headerSize;
    if (questions === 1) {
      at = this.#readQuestion(message, length);
      if (at < 0) return verdict.formErr;
    }
    if (authorities === 1) {
      if (this.type !== recordType.IXFR) return verdict.formErr;
      at = skipRecord(message, length, at);
      if (at < 0) return verdict.formErr;
    }
    for (let i = 0; i < additionals; i++) {
      at = this.#readAdditional(message, length, at);
      if (at < 0) return verdict.formErr;
    }
    if (at !== length) return verdict.formErr;
    // Without a question only a client that asks for a cookie makes sense (RFC 7873 section 5.4).
    return questions === 1 || this.cookieAt !== 0 ? verdict.answer : verdict.formErr;
  }

  #reset(): void {
    this.flags = 0;
    this.nameLength = 0;
    this.labelCount = 0;
    this.type = 0;
    this.class = 0;
    this.questionEnd = headerSize;
    this.edns = false;
    this.ednsVersion = 0;
    this.udpSize = 0;
    this.dnssecOk = false;
    this.nsid = false;
    this.keepalive = false;
    this.cookieAt = 0;
    this.cookieLength = 0;
  }

  /** @returns the offset behind the question, or -1 where it is malformed. */
  #readQuestion(message: Uint8Array, length: number): number {
    const name = this.name;
    let at: number = headerSize;
    let to = 0;
    let labels = 0;
    for (;;) {
      if (at >= length) return -1;
      const size = message[at++] as number;
      if (size === 0) break;
      // A pointer cannot be legal here, as nothing stands before the first name but the header.
      if (size > 63 || to + size + 2 > maxName || at + size > length) return -1;
      this.labels[labels++] = to;
      name[to++] = size;
      for (const end = at + size; at < end; at++) {
        const octet = message[at] as number;
        name[to++] = octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
      }
    }
    name[to++] = 0;
    if (at + 4 > length) return -1;
    this.nameLength = to;
    this.labelCount = labels;
    this.type = u16(message, at);
    this.class = u16(message, at + 2);
    this.questionEnd = at + 4;
    return at + 4;
  }

  #readAdditional(message: Uint8Array, length: number, start: number): number {
    const at = skipName(message, length, start);
    if (at < 0 || at + 10 > length) return -1;
    const end = at + 10 + u16(message, at + 8);
    if (end > length) return -1;
    if (u16(message, at) !== recordType.OPT) return end;
    // One OPT at most, and its name is the root (RFC 6891 section 6.1.1).
    if (this.edns || at !== start + 1) return -1;
    this.edns = true;
    this.udpSize = u16(message, at + 2);
    this.ednsVersion = message[at + 5] as number;
    this.dnssecOk = ((message[at + 6] as number) & 0x80) !== 0;
    // What the options of another version look like is not known (RFC 6891 section 6.1.3).
    if (this.ednsVersion !== 0) return end;
    return this.#readOptions(message, at + 10, end) ? end : -1;
  }

  #readOptions(message: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      if (at + 4 > end) return false;
      const code = u16(message, at);
      const size = u16(message, at + 2);
      at += 4;
      if (at + size > end) return false;
      if (code === optionCode.nsid) this.nsid = true;
      else if (code === optionCode.keepalive) this.keepalive = true;
      else if (code === optionCode.cookie && this.cookieAt === 0) {
        // 8 octets of the client's, and 8 to 32 of a server's (RFC 7873 section 4).
        if (size !== 8 && (size < 16 || size > 40)) return false;
        this.cookieAt = at;
        this.cookieLength = size;
      }
      at += size;
    }
    return true;
  }
}

function u16(message: Uint8Array, at: number): number {
  return ((message[at] as number) << 8) | (message[at + 1] as number);
}

/** Steps over a record. @returns the offset behind it, or -1. */
function skipRecord(message: Uint8Array, length: number, start: number): number {
  const at = skipName(message, length, start);
  if (at < 0 || at + 10 > length) return -1;
  const end = at + 10 + u16(message, at + 8);
  return end > length ? -1 : end;
}

/**
 * Steps over a name that may end in a pointer. A pointer is not followed, so that none can lead in a circle;
 * that it leads back, as it must (RFC 1035 section 4.1.4), is checked.
 */
function skipName(message: Uint8Array, length: number, start: number): number {
  let at = start;
  for (;;) {
    if (at >= length) return -1;
    const size = message[at] as number;
    if (size === 0) return at + 1;
    if (size >= 0xc0) {
      if (at + 2 > length) return -1;
      const target = ((size & 0x3f) << 8) | (message[at + 1] as number);
      return target >= headerSize && target < at ? at + 2 : -1;
    }
    if (size > 63 || at - start + size + 2 > maxName) return -1;
    at += size + 1;
  }
}
