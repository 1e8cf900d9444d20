import { addressBytes } from './address.ts';
import type { Service } from './catalog.ts';
import type { Locality } from './choose.ts';
import { type CompiledService, compileService, type Node, type ZoneForm } from './compile.ts';
import type { Query } from './message.ts';
import { labelsToWire, nameToWire } from './name.ts';
import { NameTable } from './nametable.ts';
import { concatOctets } from './octets.ts';
import { recordType } from './protocol.ts';
import { addressRecord, RecordSet, record, textData } from './recordset.ts';
import type { ServiceIndex } from './serviceindex.ts';

export interface ZoneOptions {
  /** Without a dot at the end. */
  readonly name: string;
  readonly form: ZoneForm;
  /** Seconds that answers may be kept. */
  readonly ttl: number;
  /** Seconds that it may be kept that a name or type does not exist. */
  readonly negativeTtl: number;
  readonly locality: Locality;
  /** What `ns.dns.<zone>` resolves to: the addresses at which clients reach this server. */
  readonly nameServers: readonly string[];
}

/** Version of the record schema that a zone follows (KEP-1645), and how long that may be kept, in seconds. */
const schemaVersion = '1.0.0';
const schemaTtl = 28_800;

const emptyNonTerminal: Node = { sets: [] };

/** One zone that is served: the names at its top, and its services. */
export class Zone {
  readonly options: ZoneOptions;
  /** Wire form in lower case, with the closing zero. */
  readonly wire: Uint8Array;
  readonly labelCount: number;
  /** Start of authority, also the authority of negative answers (RFC 2308). */
  readonly soa: RecordSet;
  /** What a query for ANY gets (RFC 8482). */
  readonly any: RecordSet;
  /** Place of this zone in the list of zones, and of its answers in {@link Service.compiled}. */
  readonly index: number;
  readonly #services: ServiceIndex;
  readonly #apex: Node;
  readonly #static = new NameTable<Node>();

  /** @throws Error where the name is not legal. */
  constructor(options: ZoneOptions, index: number, services: ServiceIndex) {
    const wire = nameToWire(options.name);
    if (wire === undefined) {
      throw new Error(
        `Cannot serve the zone as its name must be a DNS name: current value is ${JSON.stringify(options.name)}`,
      );
    }
    this.options = options;
    this.index = index;
    this.wire = wire;
    this.labelCount = options.name.split('.').length;
    this.#services = services;
    const server = concatOctets(labels('ns', 'dns'), wire);
    this.soa = new RecordSet(recordType.SOA, [
      record(recordType.SOA, options.negativeTtl, soaData(server, wire, options.negativeTtl)),
    ]);
    this.any = new RecordSet(recordType.HINFO, [
      record(recordType.HINFO, options.ttl, concatOctets(textData('RFC8482'), textData(''))),
    ]);
    this.#apex = this.#addStaticNames(server);
  }

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

  /** What exists at the question's name, which is in this zone; undefined where nothing does (NXDOMAIN). */
  find(query: Query): Node | undefined {
    const { name, labels } = query;
    const count = query.labelCount - this.labelCount;
    if (count === 0) return this.#apex;
    const top = labels[count - 1] as number;
    if (!isSvc(name, top)) return this.#static.get(name, 0, query.nameLength - this.wire.length);
    if (count === 1) return emptyNonTerminal;
    const { form } = this.options;
    if (count === 2) {
      return this.#services.hasNamespace(name, 0, top, form) ? emptyNonTerminal : undefined;
    }
    const start = labels[count - 3] as number;
    const entry = this.#services.service(name, start, top);
    if (entry === undefined || !entry.exists[form]) return undefined;
    const compiled = this.#compiled(entry.service);
    return count === 3 ? compiled.apex : compiled.below.get(name, 0, start);
  }

  /** Compiled at the first question after a change. */
  #compiled(service: Service): CompiledService {
    const known = service.compiled[this.index] as CompiledService | undefined;
    if (known !== undefined) return known;
    const { form, ttl, locality } = this.options;
    const compiled = compileService(service, { form, ttl, locality, zone: this.wire });
    service.compiled[this.index] = compiled;
    return compiled;
  }

  #addStaticNames(server: Uint8Array): Node {
    const { ttl, nameServers } = this.options;
    const addresses = nameServers.map(addressBytes).map(address => addressRecord(ttl, address));
    const sets = [4, 16].flatMap(size => {
      const own = addresses.filter(bytes => bytes.length === 12 + size);
      return own.length === 0 ? [] : [new RecordSet(size === 4 ? recordType.A : recordType.AAAA, own)];
    });
    this.#static.set(labels('ns', 'dns'), { sets });
    this.#static.set(labels('dns'), emptyNonTerminal);
    const version = record(recordType.TXT, schemaTtl, textData(schemaVersion));
    this.#static.set(labels('dns-version'), { sets: [new RecordSet(recordType.TXT, [version])] });
    const ns = record(recordType.NS, ttl, server);
    return { sets: [this.soa, new RecordSet(recordType.NS, [ns], undefined, [concatOctets(...addresses)])] };
  }
}

function soaData(server: Uint8Array, zone: Uint8Array, negativeTtl: number): Uint8Array {
  const numbers = new Uint8Array(20);
  const view = new DataView(numbers.buffer);
  const [serial, refresh, retry, expire] = [Math.floor(Date.now() / 1000), 7200, 1800, 86_400];
  for (const [i, value] of [serial, refresh, retry, expire, negativeTtl].entries())
    view.setUint32(i * 4, value);
  return concatOctets(server, labels('hostmaster'), zone, numbers);
}

/** Whether the label at `at` is `svc`. */
function isSvc(name: Uint8Array, at: number): boolean {
  return name[at] === 3 && name[at + 1] === 0x73 && name[at + 2] === 0x76 && name[at + 3] === 0x63;
}

function labels(...texts: string[]): Uint8Array {
  return labelsToWire(texts) ?? new Uint8Array();
}
