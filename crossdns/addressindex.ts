import { parseAddress } from '../ipam/address.ts';
import { type Cidr, cidrHas } from '../ipam/cidr.ts';
import { addressBytes } from './address.ts';
import type { Catalog, Service } from './catalog.ts';

/** Finds the services that have an address, of those in some networks. */
export class AddressIndex {
  readonly #networks: readonly Cidr[];
  readonly #byAddress = new Map<string, Set<Service>>();
  readonly #addresses = new Map<Service, readonly string[]>();

  constructor(catalog: Catalog, networks: readonly Cidr[]) {
    this.#networks = networks;
    for (const service of catalog.services()) this.#update(service);
    catalog.subscribe(service => this.#update(service));
  }

  /** Services with a ready endpoint, or a virtual address, of these octets. */
  services(address: Uint8Array): Iterable<Service> {
    return this.#byAddress.get(keyOf(address)) ?? [];
  }

  #update(service: Service): void {
    for (const key of this.#addresses.get(service) ?? []) {
      const services = this.#byAddress.get(key);
      services?.delete(service);
      if (services?.size === 0) this.#byAddress.delete(key);
    }
    const keys = this.#keysOf(service);
    if (keys.length === 0) this.#addresses.delete(service);
    else this.#addresses.set(service, keys);
    for (const key of keys) {
      const services = this.#byAddress.get(key);
      if (services === undefined) this.#byAddress.set(key, new Set([service]));
      else services.add(service);
    }
  }

  #keysOf(service: Service): string[] {
    const texts = [...(service.import?.ips ?? [])];
    for (const { endpoints } of service.slices.values()) {
      for (const { addresses } of endpoints) texts.push(...addresses);
    }
    const inside = texts.filter(text => {
      const address = parseAddress(text);
      return address !== undefined && this.#networks.some(network => cidrHas(network, address));
    });
    return inside.map(text => keyOf(addressBytes(text)));
  }
}

function keyOf(address: Uint8Array): string {
  return Buffer.from(address).toString('latin1');
}
