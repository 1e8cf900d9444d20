import type { Node } from './compile.ts';
import type { Query } from './message.ts';
import { labelsToWire, nameToWire } from './name.ts';
import { concatOctets } from './octets.ts';
import { recordType } from './protocol.ts';
import { RecordSet, record, textData } from './recordset.ts';

export interface ZoneOptions {
  /** Without a dot at the end. */
  readonly name: string;
  /** The name server that SOA and NS name, without a dot at the end. */
  readonly server: string;
  /** Seconds that answers may be kept. */
  readonly ttl: number;
  /** Seconds that it may be kept that a name or type does not exist. */
  readonly negativeTtl: number;
}

/** A name that exists, with nothing at it. */
export const emptyNonTerminal: Node = { sets: [] };

/** One zone that is served: its name and what answers say of it as a whole. */
export abstract class Zone {
  readonly name: string;
  /** Wire form in lower case, with the closing zero. */
  readonly wire: Uint8Array;
  readonly labelCount: number;
  /** Start of authority, also the authority of negative answers (RFC 2308). */
  readonly soa: RecordSet;
  /** Of the name server, wire form with the closing zero. */
  readonly server: Uint8Array;
  /** What a query for ANY gets (RFC 8482). */
  readonly any: RecordSet;
  /** Place of this zone in the list of zones. */
  readonly index: number;

  /** @throws Error where a name is not legal. */
  constructor({ name, server, ttl, negativeTtl }: ZoneOptions, index: number) {
    this.name = name;
    this.index = index;
    this.wire = wireOf(name);
    this.labelCount = name.split('.').length;
    this.server = wireOf(server);
    this.soa = new RecordSet(recordType.SOA, [
      record(recordType.SOA, negativeTtl, soaData(this.server, this.wire, negativeTtl)),
    ]);
    this.any = new RecordSet(recordType.HINFO, [
      record(recordType.HINFO, ttl, concatOctets(textData('RFC8482'), textData(''))),
    ]);
  }

  /** What exists at the question's name, which is in this zone; undefined where nothing does (NXDOMAIN). */
  abstract find(query: Query): Node | undefined;

  /** Marks that the content changed: the serial number grows (RFC 1982). */
  touch(): void {
    const { bytes } = this.soa;
    const view = new DataView(bytes.buffer, bytes.length - 20);
    view.setUint32(0, (view.getUint32(0) + 1) >>> 0);
  }

  get serial(): number {
    const { bytes } = this.soa;
    return new DataView(bytes.buffer, bytes.length - 20).getUint32(0);
  }

  /** Whether the question's name is this zone's or below it. */
  contains(query: Query): boolean {
    const { wire } = this;
    const relative = query.labelCount - this.labelCount;
    if (relative < 0) return false;
    const start = query.nameLength - wire.length;
    if (relative > 0 ? query.labels[relative] !== start : start !== 0) return false;
    const { name } = query;
    for (let i = 0; i < wire.length; i++) if (name[start + i] !== wire[i]) return false;
    return true;
  }
}

function wireOf(name: string): Uint8Array {
  const wire = nameToWire(name);
  if (wire !== undefined) return wire;
  throw new Error(
    `Cannot serve the zone as its name must be a DNS name: current value is ${JSON.stringify(name)}`,
  );
}

function soaData(server: Uint8Array, zone: Uint8Array, negativeTtl: number): Uint8Array {
  const numbers = new Uint8Array(20);
  const view = new DataView(numbers.buffer);
  const [serial, refresh, retry, expire] = [Math.floor(Date.now() / 1000), 7200, 1800, 86_400];
  for (const [i, value] of [serial, refresh, retry, expire, negativeTtl].entries())
    view.setUint32(i * 4, value);
  return concatOctets(server, labelsToWire(['hostmaster']) ?? new Uint8Array(), zone, numbers);
}
