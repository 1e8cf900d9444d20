import { addressBytes } from './address.ts';
import type { Service } from './catalog.ts';
import type { Locality } from './choose.ts';
import { type CompiledService, compileService, type Node, type ZoneForm } from './compile.ts';
import type { Query } from './message.ts';
import { labelsToWire } from './name.ts';
import { NameTable } from './nametable.ts';
import { concatOctets } from './octets.ts';
import { recordType } from './protocol.ts';
import { addressRecord, RecordSet, record, textData } from './recordset.ts';
import type { ServiceIndex } from './serviceindex.ts';
import { emptyNonTerminal, Zone, type ZoneOptions } from './zone.ts';

export interface ServiceZoneOptions extends Omit<ZoneOptions, 'server'> {
  readonly form: ZoneForm;
  readonly locality: Locality;
  /** What `ns.dns.<zone>` resolves to: the addresses at which clients reach this server. */
  readonly nameServers: readonly string[];
  /** Seconds that the version of the schema may be kept. */
  readonly versionTtl: number;
}

/** Version of the record schema that a zone follows (KEP-1645). */
const schemaVersion = '1.0.0';

/** A zone of services: the names at its top, and `<service>.<namespace>.svc` with what is below. */
export class ServiceZone extends Zone {
  readonly #options: ServiceZoneOptions;
  readonly #services: ServiceIndex;
  readonly #apex: Node;
  readonly #static = new NameTable<Node>();

  /** @throws Error where the name is not legal. */
  constructor(options: ServiceZoneOptions, index: number, services: ServiceIndex) {
    super({ ...options, server: `ns.dns.${options.name}` }, index);
    this.#options = options;
    this.#services = services;
    this.#apex = this.#addStaticNames();
  }

  override find(query: Query): Node | undefined {
    const { name, labels } = query;
    const count = query.labelCount - this.labelCount;
    if (count === 0) return this.#apex;
    const top = labels[count - 1] as number;
    if (!isSvc(name, top)) return this.#static.get(name, 0, query.nameLength - this.wire.length);
    if (count === 1) return emptyNonTerminal;
    const { form } = this.#options;
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
    const { form, ttl, locality } = this.#options;
    const compiled = compileService(service, { form, ttl, locality, zone: this.wire });
    service.compiled[this.index] = compiled;
    return compiled;
  }

  #addStaticNames(): Node {
    const { ttl, nameServers, versionTtl } = this.#options;
    const addresses = nameServers.map(addressBytes).map(address => addressRecord(ttl, address));
    const sets = [4, 16].flatMap(size => {
      const own = addresses.filter(bytes => bytes.length === 12 + size);
      return own.length === 0 ? [] : [new RecordSet(size === 4 ? recordType.A : recordType.AAAA, own)];
    });
    this.#static.set(labels('ns', 'dns'), { sets });
    this.#static.set(labels('dns'), emptyNonTerminal);
    const version = record(recordType.TXT, versionTtl, textData(schemaVersion));
    this.#static.set(labels('dns-version'), { sets: [new RecordSet(recordType.TXT, [version])] });
    const ns = record(recordType.NS, ttl, this.server);
    return { sets: [this.soa, new RecordSet(recordType.NS, [ns], undefined, [concatOctets(...addresses)])] };
  }
}

/** Whether the label at `at` is `svc`. */
function isSvc(name: Uint8Array, at: number): boolean {
  return name[at] === 3 && name[at + 1] === 0x73 && name[at + 2] === 0x76 && name[at + 3] === 0x63;
}

function labels(...texts: string[]): Uint8Array {
  return labelsToWire(texts) ?? new Uint8Array();
}
