/** Puts an answer together in a buffer. One instance writes one message after the other. */

import type { Query } from './message.ts';
import { headerFlag, headerSize, rcode, recordType } from './protocol.ts';
import type { RecordSet } from './recordset.ts';
import type { Zone } from './zone.ts';

const optSize = 11;
const optionHeader = 4;
const cookieSize = 24;

export const ednsOption = { nsid: 3, cookie: 10, keepalive: 11 } as const;

/** What the OPT record of an answer says beside the usual. */
export interface EdnsReply {
  /** Largest UDP payload that we take, in octets. */
  udpSize: number;
  /** Empty for none (RFC 5001). */
  nsid: Uint8Array;
  /** Client and server cookie (RFC 7873); written where `hasCookie`. */
  readonly cookie: Uint8Array;
  hasCookie: boolean;
  /** In units of 100 ms (RFC 7828), 0 for none. */
  keepalive: number;
}

export class AnswerWriter {
  readonly #query: Query;
  readonly #edns: EdnsReply;
  #out: Uint8Array = new Uint8Array();
  #at = 0;
  /** Where records must end, so that the OPT record fits behind them. */
  #end = 0;
  #truncated = false;

  constructor(query: Query, edns: EdnsReply) {
    this.#query = query;
    this.#edns = edns;
  }

  /** Begins an answer to `message` with its id. */
  begin(message: Uint8Array, out: Uint8Array): void {
    this.#out = out;
    this.#truncated = false;
    out[0] = message[0] as number;
    out[1] = message[1] as number;
    this.#at = headerSize;
  }

  /** Repeats the question as it came, case included, and makes room for the OPT record. */
  question(message: Uint8Array, limit: number): void {
    const out = this.#out;
    const end = this.#query.questionEnd;
    for (let i = headerSize; i < end; i++) out[i] = message[i] as number;
    this.#at = end;
    this.#end = limit - (this.#query.edns ? this.#optLength() : 0);
  }

  get truncated(): boolean {
    return this.#truncated;
  }

  /** Sets TC on an answer without records: the client shall come back over TCP. */
  truncate(): void {
    this.#truncated = true;
  }

  /** The header alone, for what cannot be read or is not known. @returns the size of the message. */
  headerOnly(code: number): number {
    return this.#finishHeader(code, 0, 0, 0, 0, 0);
  }

  /** A message without records. @returns its size. */
  empty(code: number, flags: number): number {
    return this.#finish(code, 0, 0, 0, flags);
  }

  /** The records of a set. @returns the size of the message. */
  positive(set: RecordSet): number {
    const { offsets, groupEnds } = set;
    const group = groupEnds.length === 1 ? 0 : pickGroup(set);
    const groupStart = group === 0 ? 0 : (groupEnds[group - 1] as number);
    const groupEnd = groupEnds[group] as number;
    const count = offsets.length - 1;
    const first = set.next[group] as number;
    set.next[group] = first + 1 < groupEnd ? first + 1 : groupStart;
    const fits = this.#at + (offsets[count] as number) <= this.#end;
    // Where not all fit, the start is random: taking turns would show the same neighbours again and again.
    const start = fits ? first : groupStart + Math.floor(Math.random() * (groupEnd - groupStart));
    const firstRecordAt = this.#at;
    let answers = this.#copyRecords(set, start, groupEnd);
    answers += this.#copyRecords(set, groupStart, start);
    answers += this.#copyRecords(set, 0, groupStart);
    answers += this.#copyRecords(set, groupEnd, count);
    if (answers < count) this.#truncated = true;
    let additionals = 0;
    if (set.glue !== undefined && !this.#truncated) {
      additionals = this.#addGlue(set, start, groupStart, groupEnd, firstRecordAt);
    }
    return this.#finish(rcode.NOERROR, answers, 0, additionals, headerFlag.AA);
  }

  /** The zone's SOA as authority (RFC 2308). @returns the size of the message. */
  negative(code: number, zone: Zone): number {
    const { bytes } = zone.soa;
    const out = this.#out;
    const at = this.#at;
    if (at + bytes.length > this.#end) {
      this.#truncated = true;
      return this.#finish(code, 0, 0, 0, headerFlag.AA);
    }
    for (let i = 0; i < bytes.length; i++) out[at + i] = bytes[i] as number;
    // Its owner is where the zone's name begins in the question.
    const owner = headerSize + this.#query.nameLength - zone.wire.length;
    out[at] = 0xc0 | (owner >> 8);
    out[at + 1] = owner & 0xff;
    this.#at = at + bytes.length;
    return this.#finish(code, 0, 1, 0, headerFlag.AA);
  }

  /** Copies records `from` up to `to` while they fit. @returns how many. */
  #copyRecords(set: RecordSet, from: number, to: number): number {
    if (from === to || this.#truncated) return 0;
    const { offsets, bytes } = set;
    const start = offsets[from] as number;
    const room = this.#end - this.#at;
    let last = to;
    if ((offsets[to] as number) - start > room) {
      this.#truncated = true;
      last = from;
      while ((offsets[last + 1] as number) - start <= room) last++;
    }
    const end = offsets[last] as number;
    const out = this.#out;
    let at = this.#at;
    for (let i = start; i < end; i++) out[at++] = bytes[i] as number;
    this.#at = at;
    return last - from;
  }

  /** Addresses of the targets, in the order of the answers, each target's once, all of a target's or none. */
  #addGlue(set: RecordSet, start: number, groupStart: number, groupEnd: number, firstAt: number): number {
    const { glue, offsets } = set;
    if (glue === undefined) return 0;
    let recordAt = firstAt;
    let added = 0;
    let previous = -1;
    const firstTarget = glue.targets[start];
    const count = offsets.length - 1;
    for (let i = 0; i < count; i++) {
      const record = inOrder(i, start, groupStart, groupEnd);
      const target = glue.targets[record] as number;
      if (target !== previous && (i === 0 || target !== firstTarget)) {
        const records = this.#copyGlue(glue.addresses[target] as Uint8Array, recordAt + glue.nameOffset);
        if (records < 0) return added;
        added += records;
      }
      previous = target;
      recordAt += (offsets[record + 1] as number) - (offsets[record] as number);
    }
    return added;
  }

  /** @returns the number of records, or -1 where they do not fit. */
  #copyGlue(glue: Uint8Array, nameAt: number): number {
    // A pointer reaches 16,383 octets (RFC 1035 section 4.1.4).
    if (this.#at + glue.length > this.#end || nameAt > 0x3fff) return -1;
    const out = this.#out;
    let records = 0;
    for (let from = 0; from < glue.length; records++) {
      const size = 12 + ((glue[from + 10] as number) << 8) + (glue[from + 11] as number);
      const at = this.#at;
      out[at] = 0xc0 | (nameAt >> 8);
      out[at + 1] = nameAt & 0xff;
      for (let i = 2; i < size; i++) out[at + i] = glue[from + i] as number;
      this.#at = at + size;
      from += size;
    }
    return records;
  }

  #finish(code: number, answers: number, authorities: number, additionals: number, flags: number): number {
    const questions = this.#query.questionEnd === headerSize ? 0 : 1;
    if (!this.#query.edns) {
      return this.#finishHeader(code, questions, answers, authorities, additionals, flags);
    }
    this.#writeOpt(code);
    return this.#finishHeader(code, questions, answers, authorities, additionals + 1, flags);
  }

  #optLength(): number {
    const { nsid, hasCookie, keepalive } = this.#edns;
    return (
      optSize +
      (nsid.length > 0 ? optionHeader + nsid.length : 0) +
      (hasCookie ? optionHeader + cookieSize : 0) +
      (keepalive > 0 ? optionHeader + 2 : 0)
    );
  }

  #writeOpt(code: number): void {
    const out = this.#out;
    const at = this.#at;
    const { udpSize, nsid, hasCookie, cookie, keepalive } = this.#edns;
    const dataLength = this.#optLength() - optSize;
    out[at] = 0;
    out[at + 1] = 0;
    out[at + 2] = recordType.OPT;
    out[at + 3] = udpSize >> 8;
    out[at + 4] = udpSize & 0xff;
    out[at + 5] = code >> 4;
    out[at + 6] = 0;
    // DO comes back as it came (RFC 3225 section 3); all other flags are zero.
    out[at + 7] = this.#query.dnssecOk ? 0x80 : 0;
    out[at + 8] = 0;
    out[at + 9] = dataLength >> 8;
    out[at + 10] = dataLength & 0xff;
    this.#at = at + optSize;
    if (dataLength === 0) return;
    if (nsid.length > 0) this.#writeOption(ednsOption.nsid, nsid);
    if (hasCookie) this.#writeOption(ednsOption.cookie, cookie);
    if (keepalive > 0) this.#writeOption(ednsOption.keepalive, Uint8Array.of(keepalive >> 8, keepalive));
  }

  #writeOption(code: number, data: Uint8Array): void {
    const out = this.#out;
    let at = this.#at;
    out[at++] = 0;
    out[at++] = code;
    out[at++] = data.length >> 8;
    out[at++] = data.length & 0xff;
    for (let i = 0; i < data.length; i++) out[at++] = data[i] as number;
    this.#at = at;
  }

  /** Writes all of the header but the id. @returns the size of the message. */
  #finishHeader(
    code: number,
    questions: number,
    answers: number,
    authorities: number,
    additionals: number,
    flags: number,
  ): number {
    const out = this.#out;
    const kept = this.#query.flags & (headerFlag.OPCODE | headerFlag.RD);
    const all = headerFlag.QR | kept | flags | (this.#truncated ? headerFlag.TC : 0) | (code & 15);
    out[2] = all >> 8;
    out[3] = all & 0xff;
    out[4] = 0;
    out[5] = questions;
    out[6] = answers >> 8;
    out[7] = answers & 0xff;
    out[8] = 0;
    out[9] = authorities;
    out[10] = additionals >> 8;
    out[11] = additionals & 0xff;
    return this.#at;
  }
}

/** The group that the first record comes from, by weight. */
function pickGroup(set: RecordSet): number {
  const last = set.groupEnds.length - 1;
  const point = Math.random() * (set.groupWeights[last] as number);
  for (let group = 0; group < last; group++) if (point < (set.groupWeights[group] as number)) return group;
  return last;
}

/** Which record stands at place `i`: the chosen group from `start` on, its beginning, the groups before, those after. */
function inOrder(i: number, start: number, groupStart: number, groupEnd: number): number {
  const own = groupEnd - groupStart;
  if (i < groupEnd - start) return start + i;
  if (i < own) return groupStart + i - (groupEnd - start);
  return i < own + groupStart ? i - own : i;
}
