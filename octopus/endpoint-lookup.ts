import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Cidr } from '../ipam/cidr.ts';
import type { Logger } from '../process/log.ts';
import { formatTarget, type Target } from './host-port.ts';
import { whyNotDialled } from './reserved-addresses.ts';

/** All addresses of a name. */
export type Lookup = (name: string) => Promise<readonly string[]>;

const systemLookup: Lookup = async name =>
  (await lookup(name, { all: true, order: 'verbatim' })).map(({ address }) => address);

interface Known {
  readonly target: Target;
  addresses: readonly string[];
  /** Which of them is used. */
  index: number;
}

export interface EndpointLookupOptions {
  readonly onChange: () => void;
  readonly log: Logger;
  readonly lookup?: Lookup;
}

/**
 * Addresses for the endpoints that have names.
 *
 * A name is looked up when it is first seen, and again by {@link refresh}; an answer that still has the address in use
 * changes nothing. A name that cannot be looked up keeps the address that it had.
 */
export class EndpointLookup {
  readonly #options: EndpointLookupOptions;
  readonly #lookup: Lookup;
  readonly #known = new Map<string, Known>();
  #globals: readonly Cidr[] = [];

  constructor(options: EndpointLookupOptions) {
    this.#options = options;
    this.#lookup = options.lookup ?? systemLookup;
  }

  /** Follows what is to be dialled, by cluster id. @param globals blocks in which no endpoint may be. */
  set(targets: ReadonlyMap<string, Target>, globals: readonly Cidr[]): void {
    this.#globals = globals;
    for (const id of this.#known.keys()) if (!targets.has(id)) this.#known.delete(id);
    for (const [id, target] of targets) {
      const known = this.#known.get(id);
      if (known?.target.host === target.host && known.target.port === target.port) continue;
      const isLiteral = isIP(target.host) !== 0;
      // A name that changed keeps the former address until the new one is known.
      const addresses = isLiteral ? [target.host] : known?.target.host === target.host ? known.addresses : [];
      const entry: Known = { target, addresses, index: 0 };
      this.#known.set(id, entry);
      if (!isLiteral) void this.#look(id, entry);
    }
  }

  /** `address:port` by cluster id, of those that are known. */
  get endpoints(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const [id, { target, addresses, index }] of this.#known) {
      const host = addresses[index % Math.max(1, addresses.length)];
      if (host !== undefined) found.set(id, formatTarget({ host, port: target.port }));
    }
    return found;
  }

  /** Looks all names up again; for those that are dead the next address of the name is tried. */
  async refresh(dead: ReadonlySet<string>): Promise<void> {
    const names = [...this.#known].filter(([, { target }]) => isIP(target.host) === 0);
    await Promise.all(
      names.map(async ([id, known]) => {
        const hasOthers = dead.has(id) && known.addresses.length > 1;
        if (hasOthers) known.index = (known.index + 1) % known.addresses.length;
        await this.#look(id, known);
        if (hasOthers) this.#options.onChange();
      }),
    );
  }

  async #look(id: string, known: Known): Promise<void> {
    const { host } = known.target;
    try {
      const all = await this.#lookup(host);
      const addresses = all.filter(address => whyNotDialled(address, this.#globals) === undefined);
      if (addresses.length === 0) {
        this.#options.log.warn(
          { cluster: id, host, refused: all.slice(0, 8) },
          'endpoint has no address that may be dialled',
        );
        return;
      }
      if (this.#known.get(id) !== known) return;
      const used = known.addresses[known.index];
      known.index = Math.max(0, used === undefined ? 0 : addresses.indexOf(used));
      known.addresses = addresses;
      if (addresses[known.index] !== used) this.#options.onChange();
    } catch (error) {
      this.#options.log.info({ err: error, cluster: id, host }, 'endpoint cannot be looked up');
    }
  }
}
