/**
 * The other side of the wire: makes queries, and reads answers into zone-file lines. It shares no code with the
 * server's codec, so that one can check the other. Used by tests, benchmarks and the command line; its speed does
 * not matter.
 */

import { headerFlag, rcode, recordType, typeText } from './protocol.ts';

export interface QueryOptions {
  readonly id?: number;
  readonly class?: number;
  readonly flags?: number;
  /** Adds an OPT record. */
  readonly edns?: {
    readonly udpSize?: number;
    readonly version?: number;
    readonly flags?: number;
    readonly options?: readonly { readonly code: number; readonly data: Uint8Array }[];
  };
}

export interface Answer {
  readonly id: number;
  readonly rcode: string;
  /** Those of aa, tc, rd, ra, z, ad, cd that are set. */
  readonly flags: readonly string[];
  readonly opcode: number;
  /** `name type`, with the name's case as it came. */
  readonly question: readonly string[];
  /** Zone-file lines: `name ttl IN type data`. */
  readonly answers: readonly string[];
  readonly authorities: readonly string[];
  readonly additionals: readonly string[];
  readonly edns:
    | {
        readonly udpSize: number;
        readonly version: number;
        readonly flags: number;
        readonly options: readonly { readonly code: number; readonly data: Uint8Array }[];
      }
    | undefined;
}

/** The number of a type by its text, `TYPE1000` included. @throws Error for a text that is none. */
export function typeNumber(text: string): number {
  const known: Readonly<Record<string, number>> = recordType;
  const number = known[text.toUpperCase()] ?? Number(/^TYPE(\d{1,5})$/i.exec(text)?.[1] ?? Number.NaN);
  if (!(number >= 0 && number <= 65_535)) {
    throw new Error(
      `Cannot ask as the type must be A, AAAA, SRV, … or TYPE<number>: current value is ${JSON.stringify(text)}`,
    );
  }
  return number;
}

/** A query for a name and type, recursion desired unless `flags` say otherwise. */
export function makeQuery(name: string, type: string, options: QueryOptions = {}): Buffer {
  const labels = name.replace(/\.$/, '').split('.').filter(Boolean);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(options.id ?? 1, 0);
  header.writeUInt16BE(options.flags ?? headerFlag.RD, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(options.edns ? 1 : 0, 10);
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(typeNumber(type), 1);
  tail.writeUInt16BE(options.class ?? 1, 3);
  const parts = labels.flatMap(label => [Buffer.of(label.length), Buffer.from(label, 'latin1')]);
  return Buffer.concat([header, ...parts, tail, ...(options.edns ? [optRecord(options.edns)] : [])]);
}

function optRecord(edns: NonNullable<QueryOptions['edns']>): Buffer {
  const options = (edns.options ?? []).map(({ code, data }) => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(code, 0);
    head.writeUInt16BE(data.length, 2);
    return Buffer.concat([head, data]);
  });
  const data = Buffer.concat(options);
  const head = Buffer.alloc(11);
  head.writeUInt16BE(recordType.OPT, 1);
  head.writeUInt16BE(edns.udpSize ?? 1232, 3);
  head.writeUInt8(edns.version ?? 0, 6);
  head.writeUInt16BE(edns.flags ?? 0, 7);
  head.writeUInt16BE(data.length, 9);
  return Buffer.concat([head, data]);
}

/** @throws RangeError or Error where the octets are no DNS message. */
export function readAnswer(octets: Uint8Array): Answer {
  const reader = new Reader(Buffer.from(octets));
  const id = reader.u16();
  const flags = reader.u16();
  const [questions, answers, authorities, additionals] = [
    reader.u16(),
    reader.u16(),
    reader.u16(),
    reader.u16(),
  ];
  const question = Array.from({ length: questions }, () => {
    const name = reader.name();
    const type = typeText(reader.u16());
    reader.u16();
    return `${name} ${type}`;
  });
  const sections = [answers, authorities, additionals].map(count =>
    Array.from({ length: count }, () => reader.record()),
  );
  if (reader.left > 0) throw new Error(`Cannot read the answer as ${reader.left} octets are left over`);
  const lines = sections.map(section => section.flatMap(({ line }) => line ?? []));
  const edns = sections[2]?.find(({ edns }) => edns)?.edns;
  const code = (flags & 15) | ((edns?.extendedRcode ?? 0) << 4);
  return {
    id,
    rcode: Object.entries(rcode).find(([, value]) => value === code)?.[0] ?? String(code),
    flags: Object.entries({ aa: 0x400, tc: 0x200, rd: 0x100, ra: 0x80, z: 0x40, ad: 0x20, cd: 0x10 }).flatMap(
      ([name, bit]) => (flags & bit ? [name] : []),
    ),
    opcode: (flags >> 11) & 15,
    question,
    answers: lines[0] ?? [],
    authorities: lines[1] ?? [],
    additionals: lines[2] ?? [],
    edns,
  };
}

interface ReadRecord {
  readonly line?: string;
  readonly edns?: {
    readonly udpSize: number;
    readonly extendedRcode: number;
    readonly version: number;
    readonly flags: number;
    readonly options: { code: number; data: Uint8Array }[];
  };
}

class Reader {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  get left(): number {
    return this.#octets.length - this.#at;
  }

  u16(): number {
    this.#at += 2;
    return this.#octets.readUInt16BE(this.#at - 2);
  }

  u32(): number {
    this.#at += 4;
    return this.#octets.readUInt32BE(this.#at - 4);
  }

  name(): string {
    let text = '';
    let at = this.#at;
    let jumps = 0;
    for (let end: number | undefined; ; ) {
      const size = this.#octets.readUInt8(at++);
      if (size === 0) {
        this.#at = end ?? at;
        return text === '' ? '.' : text;
      }
      if (size >= 0xc0) {
        end ??= at + 1;
        at = ((size & 0x3f) << 8) | this.#octets.readUInt8(at);
        if (++jumps > 16) throw new Error('Cannot read the answer as its pointers go in a circle');
        continue;
      }
      text += `${this.#octets.toString('latin1', at, at + size)}.`;
      at += size;
    }
  }

  record(): ReadRecord {
    const owner = this.name();
    const type = this.u16();
    const cls = this.u16();
    const ttl = this.u32();
    const end = this.u16() + this.#at;
    if (end > this.#octets.length) throw new RangeError('Cannot read the answer as a record is cut off');
    if (type === recordType.OPT) {
      const options: { code: number; data: Uint8Array }[] = [];
      while (this.#at < end) {
        const code = this.u16();
        const size = this.u16();
        options.push({ code, data: this.#octets.subarray(this.#at, this.#at + size) });
        this.#at += size;
      }
      const version = (ttl >>> 16) & 0xff;
      return { edns: { udpSize: cls, extendedRcode: ttl >>> 24, version, flags: ttl & 0xffff, options } };
    }
    const data = this.#data(type, end);
    if (this.#at !== end) throw new Error(`Cannot read the answer as a ${typeText(type)} record is too long`);
    return { line: `${owner} ${ttl} ${cls === 1 ? 'IN' : `CLASS${cls}`} ${typeText(type)} ${data}` };
  }

  #data(type: number, end: number): string {
    if (type === recordType.A) return [...this.#take(end)].join('.');
    if (type === recordType.AAAA) return ipv6Text(this.#take(end));
    if (type === recordType.NS || type === recordType.PTR) return this.name();
    if (type === recordType.SRV) return `${this.u16()} ${this.u16()} ${this.u16()} ${this.name()}`;
    if (type === recordType.SOA) {
      const names = `${this.name()} ${this.name()}`;
      return `${names} ${this.u32()} ${this.u32()} ${this.u32()} ${this.u32()} ${this.u32()}`;
    }
    if (type === recordType.TXT || type === recordType.HINFO) return this.#strings(end);
    return `\\# ${end - this.#at} ${this.#take(end).toString('hex')}`;
  }

  #strings(end: number): string {
    const texts: string[] = [];
    while (this.#at < end) {
      const size = this.#octets.readUInt8(this.#at++);
      texts.push(JSON.stringify(this.#octets.toString('latin1', this.#at, this.#at + size)));
      this.#at += size;
    }
    return texts.join(' ');
  }

  #take(end: number): Buffer {
    const octets = this.#octets.subarray(this.#at, end);
    this.#at = end;
    return octets;
  }
}

function ipv6Text(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(i * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
