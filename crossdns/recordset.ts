/**
 * The records of one name and type as bytes that only need copying: each begins with a pointer to the question's
 * name (offset 12), so that they are the same in every answer.
 */

import { concatOctets } from './octets.ts';
import { recordClass, recordType } from './protocol.ts';

/** Addresses of the targets of NS and SRV records, for the additional section. */
export interface Glue {
  /** Offset of the target's name in a record. */
  readonly nameOffset: number;
  /** Which target each record has; records of the same target carry the same number. */
  readonly targets: readonly number[];
  /** The addresses of each target as records, each beginning with two octets for a pointer to the target's name. */
  readonly addresses: readonly Uint8Array[];
}

/** Octets before the data of a record whose owner is a pointer. */
const dataOffset = 12;

/** Small numbers are in plain arrays: a typed array is some 200 octets before it holds anything. */
export class RecordSet {
  readonly type: number;
  /** The records, one after the other. */
  readonly bytes: Uint8Array;
  /** Where each record begins, and behind the last its end. */
  readonly offsets: readonly number[];
  readonly glue: Glue | undefined;
  /**
   * Behind which record each group ends, and the sum of the weights up to there. The records of a group have equal
   * weight; there is one group where all have.
   */
  readonly groupEnds: readonly number[];
  readonly groupWeights: readonly number[];
  /** The record that comes first in the next answer, for each group. */
  readonly next: number[];

  constructor(
    type: number,
    records: readonly Uint8Array[],
    weights?: readonly number[],
    glue?: readonly Uint8Array[],
  ) {
    this.type = type;
    const order = orderByWeight(records.length, weights);
    const [only] = records;
    this.bytes =
      records.length === 1 && only !== undefined
        ? only
        : concatOctets(...order.map(i => records[i] as Uint8Array));
    const offsets = [0];
    for (const i of order) offsets.push((offsets.at(-1) ?? 0) + (records[i]?.length ?? 0));
    this.offsets = offsets;
    const groups = groupByWeight(order, weights);
    this.groupEnds = groups.map(group => group.end);
    this.groupWeights = groups.map(group => group.weight);
    this.next = groups.map((group, i) => {
      const start = groups[i - 1]?.end ?? 0;
      return start + Math.floor(Math.random() * (group.end - start));
    });
    this.glue = glue && indexGlue(order, glue, type === recordType.SRV ? dataOffset + 6 : dataOffset);
  }

  get count(): number {
    return this.offsets.length - 1;
  }
}

/** Shuffled, so that any run of records is a fair sample; then heavy before light, so that equals stand together. */
function orderByWeight(count: number, weights: readonly number[] | undefined): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return weights === undefined ? order : order.sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0));
}

function groupByWeight(
  order: readonly number[],
  weights: readonly number[] | undefined,
): { end: number; weight: number }[] {
  const groups: { end: number; weight: number }[] = [];
  let sum = 0;
  for (const [i, record] of order.entries()) {
    const weight = weights?.[record] ?? 1;
    const sameAsBefore = i > 0 && weight === (weights?.[order[i - 1] as number] ?? 1);
    sum += weight;
    const last = groups.at(-1);
    if (sameAsBefore && last !== undefined) {
      last.end = i + 1;
      last.weight = sum;
    } else {
      groups.push({ end: i + 1, weight: sum });
    }
  }
  return groups;
}

/** Numbers the distinct glue of the records, by identity. */
function indexGlue(order: readonly number[], glue: readonly Uint8Array[], nameOffset: number): Glue {
  const numbers = new Map<Uint8Array, number>();
  const targets = order.map(record => {
    const addresses = glue[record] as Uint8Array;
    const number = numbers.get(addresses) ?? numbers.size;
    numbers.set(addresses, number);
    return number;
  });
  return { nameOffset, targets, addresses: [...numbers.keys()] };
}

/** A record whose owner is the question's name. */
export function record(type: number, ttl: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(dataOffset + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xc00c);
  view.setUint16(2, type);
  view.setUint16(4, recordClass.IN);
  view.setUint32(6, ttl);
  view.setUint16(10, data.length);
  bytes.set(data, dataOffset);
  return bytes;
}

export function addressRecord(ttl: number, address: Uint8Array): Uint8Array {
  return record(address.length === 4 ? recordType.A : recordType.AAAA, ttl, address);
}

/** Data of an SRV record. Its target is never compressed (RFC 2782). */
export function srvData(priority: number, weight: number, port: number, target: Uint8Array): Uint8Array {
  const data = new Uint8Array(6 + target.length);
  const view = new DataView(data.buffer);
  view.setUint16(0, priority);
  view.setUint16(2, weight);
  view.setUint16(4, port);
  data.set(target, 6);
  return data;
}

/** Data of a TXT record: strings of at most 255 octets (RFC 1035 section 3.3.14). */
export function textData(text: string): Uint8Array {
  const octets = Buffer.from(text);
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < octets.length; at += 255) {
    const part = octets.subarray(at, at + 255);
    parts.push(Uint8Array.of(part.length), part);
  }
  return Buffer.concat(parts);
}
