import { podAnnotations } from '../api/names.ts';
import { type Address, formatAddress, parseAddress } from '../ipam/address.ts';
import { type Cidr, cidrHas, formatCidr, parseCidr } from '../ipam/cidr.ts';

/** What the ovn-controller gave a pod, read from its annotations. */
export interface Allocation {
  readonly mac: string;
  /** One of each family at most. */
  readonly addresses: readonly { readonly address: Address; readonly prefix: number }[];
  readonly routes: readonly { readonly destination: Cidr; readonly gateway: Address }[];
  /** Of a gateway: the addresses that it sets itself for as long as it carries the tunnels. */
  readonly elective: readonly { readonly address: Address; readonly prefix: number }[];
}

export type AllocationReading =
  /** `nauti.io/allocated` is not there yet. */
  | { readonly kind: 'none' }
  | { readonly kind: 'allocated'; readonly allocation: Allocation }
  | { readonly kind: 'refused'; readonly reason: string };

/** Its addresses as the switch's port says them, separated by commas. */
export function addressTexts({ addresses }: Pick<Allocation, 'addresses'>): string {
  return addresses.map(({ address }) => formatAddress(address)).join();
}

/** Only the annotations of an allocation: people hang much else on their pods. */
export function allocationOf(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const own: Record<string, string> = {};
  for (const name of Object.values(podAnnotations)) {
    const value = annotations[name];
    if (value !== undefined) own[name] = value;
  }
  return own;
}

/** Longer values are nobody's addresses. */
const longestValue = 4_096;
const mostRoutes = 64;

class Refusal extends Error {}

/**
 * Reads the annotations of an allocation. They are hostile: everything in the result is an address, a number or a MAC,
 * nothing is text of theirs.
 */
export function readAllocation(annotations: Readonly<Record<string, string>>): AllocationReading {
  if (annotations[podAnnotations.allocated] !== 'true') return { kind: 'none' };
  try {
    return { kind: 'allocated', allocation: read(annotations) };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', reason: error.message };
    throw error;
  }
}

function read(annotations: Readonly<Record<string, string>>): Allocation {
  const value = (name: string) => {
    const text = annotations[name];
    if (text === undefined) throw new Refusal(`Cannot read ${name} as it must be given`);
    if (text.length > longestValue) throw new Refusal(`Cannot read ${name} as it must be shorter`);
    return text;
  };
  const listOf = <T>(name: string, expected: string, parse: (text: string) => T | undefined): T[] => {
    const text = value(name);
    return text.split(',').map(part => parse(part) ?? refuse(name, expected, text));
  };
  const nicType = annotations[podAnnotations.podNicType];
  if (nicType !== undefined && nicType !== 'veth-pair')
    refuse(podAnnotations.podNicType, 'veth-pair', nicType);
  const macText = value(podAnnotations.macAddress);
  const mac = parseMac(macText) ?? refuse(podAnnotations.macAddress, 'a unicast MAC address', macText);
  const cidrs = listOf(podAnnotations.cidr, 'CIDRs', parseCidr);
  const inCidr = (name: string) =>
    listOf(name, 'IP addresses', parseAddress).map(address => {
      const cidr = cidrs.find(candidate => cidrHas(candidate, address));
      return cidr === undefined
        ? refuse(name, `in ${cidrs.map(formatCidr).join()}`, formatAddress(address))
        : { address, prefix: cidr.prefix };
    });
  const addresses = inCidr(podAnnotations.ipAddress);
  if (new Set(addresses.map(({ address }) => address.family)).size !== addresses.length) {
    refuse(podAnnotations.ipAddress, 'one address of each family at most', value(podAnnotations.ipAddress));
  }
  // Only a gateway has no routes.
  const isGateway = annotations[podAnnotations.routes] === undefined;
  const elective =
    isGateway && annotations[podAnnotations.gateway] !== undefined ? inCidr(podAnnotations.gateway) : [];
  return { mac, addresses, elective, routes: readRoutes(annotations[podAnnotations.routes], cidrs) };
}

/** `[{"dst":"10.112.0.0/12","gw":"10.113.0.1"}]`; absent on the gateway. */
function readRoutes(text: string | undefined, cidrs: readonly Cidr[]): Allocation['routes'] {
  if (text === undefined) return [];
  const name = podAnnotations.routes;
  if (text.length > longestValue) throw new Refusal(`Cannot read ${name} as it must be shorter`);
  const entries = parseJson(text);
  if (!Array.isArray(entries) || entries.length > mostRoutes) {
    return refuse(name, `a JSON list of at most ${mostRoutes} routes`, text);
  }
  return entries.map((entry: unknown) => {
    const { dst, gw } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
    const destination = typeof dst === 'string' ? parseCidr(dst) : undefined;
    const gateway = typeof gw === 'string' ? parseAddress(gw) : undefined;
    // Never the default route: what is not of the secondary network goes its ordinary way.
    if (destination === undefined || destination.prefix === 0) return refuse(name, 'routes to CIDRs', text);
    if (gateway === undefined || !cidrs.some(cidr => cidrHas(cidr, gateway))) {
      return refuse(name, 'routes by a gateway of the CIDR', text);
    }
    if (gateway.family !== destination.family) return refuse(name, 'routes within one family', text);
    return { destination, gateway };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseMac(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(lower) || lower === '00:00:00:00:00:00') return undefined;
  return (Number.parseInt(lower.slice(0, 2), 16) & 1) === 0 ? lower : undefined;
}

function refuse(name: string, expected: string, value: string): never {
  throw new Refusal(
    `Cannot use ${name} as it must be ${expected}: current value is ${JSON.stringify(value.slice(0, 200))}`,
  );
}
