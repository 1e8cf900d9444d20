/** From the octets of a query to the octets of its answer. No I/O; nothing allocated lasts beyond the call. */

import type { ClientAddress } from './client.ts';
import type { Node } from './compile.ts';
import { Query, verdict } from './message.ts';
import { headerFlag, headerSize, plainUdpSize, rcode, recordClass, recordType } from './protocol.ts';
import type { RecordSet } from './recordset.ts';
import type { Zone } from './zone.ts';

export interface ResponderOptions {
  /** Octets of the largest answer over UDP, from 512. */
  readonly udpSize: number;
}

/** How a message came; the size of its answer depends on it. */
export type Transport = 'udp' | 'tcp';

const optSize = 11;
const maxTcp = 65_535;

/**
 * Answers queries from a set of zones. One instance serves one message at a time; what it says about the last one
 * (`zone`, `rcode`) holds until the next call.
 */
export class Responder {
  readonly query = new Query();
  /** Until the data is there, every question in a zone is answered with SERVFAIL. */
  ready = false;
  /** Of the last message: the zone that it was about, and the response code, with the bits of the OPT record. */
  zone: Zone | undefined;
  rcode = 0;

  readonly #zones: readonly Zone[];
  readonly #udpSize: number;
  #out: Uint8Array = new Uint8Array();
  #at = 0;
  /** Where the records must end. */
  #end = 0;
  #truncated = false;

  constructor(zones: readonly Zone[], options: ResponderOptions) {
    // Of zones inside each other the longest is the one that a name belongs to (RFC 1034 section 4.3.2).
    this.#zones = [...zones].sort((a, b) => b.labelCount - a.labelCount);
    this.#udpSize = options.udpSize;
  }

  /**
   * Answers the first `length` octets of `message` into `out`, which has room for the largest answer.
   *
   * @returns the size of the answer in octets, 0 where there is none to give.
   */
  respond(
    message: Uint8Array,
    length: number,
    out: Uint8Array,
    transport: Transport,
    _client: ClientAddress,
  ): number {
    const { query } = this;
    this.zone = undefined;
    this.rcode = rcode.NOERROR;
    const read = query.read(message, length);
    if (read === verdict.drop) return 0;
    this.#out = out;
    this.#truncated = false;
    out[0] = message[0] as number;
    out[1] = message[1] as number;
    if (read !== verdict.answer) {
      this.rcode = read === verdict.formErr ? rcode.FORMERR : rcode.NOTIMP;
      return this.#finishHeader(0, 0, 0, 0, 0);
    }
    const limit = transport === 'tcp' ? maxTcp : this.#udpLimit();
    for (let i = headerSize; i < query.questionEnd; i++) out[i] = message[i] as number;
    this.#at = query.questionEnd;
    this.#end = limit - (query.edns ? optSize : 0);
    return this.#answer();
  }

  #udpLimit(): number {
    const { query } = this;
    if (!query.edns || query.udpSize < plainUdpSize) return plainUdpSize;
    return Math.min(query.udpSize, this.#udpSize);
  }

  #answer(): number {
    const { query } = this;
    const questions = query.labelCount === 0 && query.questionEnd === headerSize ? 0 : 1;
    if (query.edns && query.ednsVersion !== 0) return this.#finish(rcode.BADVERS, questions, 0, 0, 0, 0);
    if (questions === 0) return this.#finish(rcode.NOERROR, 0, 0, 0, 0, 0);
    if (query.class !== recordClass.IN && query.class !== recordClass.ANY) {
      return this.#finish(rcode.REFUSED, 1, 0, 0, 0, 0);
    }
    const zone = this.#findZone();
    this.zone = zone;
    if (zone === undefined || query.type === recordType.AXFR || query.type === recordType.IXFR) {
      return this.#finish(rcode.REFUSED, 1, 0, 0, 0, 0);
    }
    if (!this.ready) return this.#finish(rcode.SERVFAIL, 1, 0, 0, 0, 0);
    if (query.type === recordType.OPT) return this.#finish(rcode.FORMERR, 1, 0, 0, 0, 0);
    const node = zone.find(query);
    if (node === undefined) return this.#negative(rcode.NXDOMAIN, zone);
    const set = findSet(node, query.type);
    if (set !== undefined) return this.#positive(set);
    // One HINFO record that says why there are no others (RFC 8482 section 4.2).
    if (query.type === recordType.ANY && node.sets.length > 0) return this.#positive(zone.any);
    return this.#negative(rcode.NOERROR, zone);
  }

  #findZone(): Zone | undefined {
    for (const zone of this.#zones) if (zone.contains(this.query)) return zone;
    return undefined;
  }

  #positive(set: RecordSet): number {
    const { offsets, glue } = set;
    const group = pickGroup(set);
    const groupStart = group === 0 ? 0 : (set.groupEnds[group - 1] as number);
    const groupEnd = set.groupEnds[group] as number;
    const count = set.count;
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
    const additionals =
      glue === undefined || this.#truncated
        ? 0
        : this.#addGlue(set, start, groupStart, groupEnd, firstRecordAt);
    return this.#finish(rcode.NOERROR, 1, answers, 0, additionals, headerFlag.AA);
  }

  /** Copies records `from` up to `to` while they fit. @returns how many. */
  #copyRecords(set: RecordSet, from: number, to: number): number {
    if (this.#truncated || from === to) return 0;
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
    let recordAt = firstAt;
    let added = 0;
    let previous = -1;
    const firstTarget = set.glue?.targets[start];
    for (let i = 0; i < set.count; i++) {
      const record = inOrder(i, start, groupStart, groupEnd);
      const target = set.glue?.targets[record] as number;
      const size = (set.offsets[record + 1] as number) - (set.offsets[record] as number);
      if (target !== previous && (i === 0 || target !== firstTarget)) {
        const records = this.#copyGlue(set, target, recordAt);
        if (records < 0) return added;
        added += records;
      }
      previous = target;
      recordAt += size;
    }
    return added;
  }

  /** @returns the number of records, or -1 where they do not fit. */
  #copyGlue(set: RecordSet, target: number, recordAt: number): number {
    const glue = set.glue?.addresses[target] as Uint8Array;
    const nameAt = recordAt + (set.glue?.nameOffset as number);
    // A pointer reaches 16,383 octets (RFC 1035 section 4.1.4).
    if (this.#at + glue.length > this.#end || nameAt > 0x3fff) return -1;
    const out = this.#out;
    let records = 0;
    for (let from = 0; from < glue.length; records++) {
      const size = 12 + ((glue[from + 10] as number) << 8) + (glue[from + 11] as number);
      const at = this.#at;
      for (let i = 0; i < size; i++) out[at + i] = glue[from + i] as number;
      out[at] = 0xc0 | (nameAt >> 8);
      out[at + 1] = nameAt & 0xff;
      this.#at += size;
      from += size;
    }
    return records;
  }

  /** The authority is the zone's SOA, whose owner is where the zone's name begins in the question. */
  #negative(code: number, zone: Zone): number {
    const { bytes } = zone.soa;
    const out = this.#out;
    const at = this.#at;
    if (at + bytes.length > this.#end) {
      this.#truncated = true;
      return this.#finish(code, 1, 0, 0, 0, headerFlag.AA);
    }
    for (let i = 0; i < bytes.length; i++) out[at + i] = bytes[i] as number;
    const owner = headerSize + this.query.nameLength - zone.wire.length;
    out[at] = 0xc0 | (owner >> 8);
    out[at + 1] = owner & 0xff;
    this.#at = at + bytes.length;
    return this.#finish(code, 1, 0, 1, 0, headerFlag.AA);
  }

  #finish(
    code: number,
    questions: number,
    answers: number,
    authorities: number,
    additionals: number,
    flags: number,
  ): number {
    this.rcode = code;
    if (!this.query.edns) return this.#finishHeader(questions, answers, authorities, additionals, flags);
    this.#writeOpt(code);
    return this.#finishHeader(questions, answers, authorities, additionals + 1, flags);
  }

  #writeOpt(code: number): void {
    const out = this.#out;
    const at = this.#at;
    out[at] = 0;
    out[at + 1] = 0;
    out[at + 2] = recordType.OPT;
    out[at + 3] = this.#udpSize >> 8;
    out[at + 4] = this.#udpSize & 0xff;
    out[at + 5] = code >> 4;
    out[at + 6] = 0;
    // DO comes back as it came (RFC 3225 section 3).
    out[at + 7] = this.query.dnssecOk ? 0x80 : 0;
    out[at + 8] = 0;
    out[at + 9] = 0;
    out[at + 10] = 0;
    this.#at = at + optSize;
  }

  /** Writes all of the header but the id. @returns the size of the message. */
  #finishHeader(
    questions: number,
    answers: number,
    authorities: number,
    additionals: number,
    flags: number,
  ): number {
    const out = this.#out;
    const kept = this.query.flags & (0x7800 | headerFlag.RD);
    const all = headerFlag.QR | kept | flags | (this.#truncated ? headerFlag.TC : 0) | (this.rcode & 15);
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
    return questions === 0 && additionals === 0 ? headerSize : this.#at;
  }
}

function findSet(node: Node, type: number): RecordSet | undefined {
  const { sets } = node;
  for (let i = 0; i < sets.length; i++) {
    const set = sets[i] as RecordSet;
    if (set.type === type) return set;
  }
  return undefined;
}

/** The group that the first record comes from, by weight. */
function pickGroup(set: RecordSet): number {
  const last = set.groupEnds.length - 1;
  if (last === 0) return 0;
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
