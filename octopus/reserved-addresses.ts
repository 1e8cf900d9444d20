import { type Address, parseAddress } from '../ipam/address.ts';
import { type Cidr, cidrHas, formatCidr, parseCidr } from '../ipam/cidr.ts';

/** Where no gateway of another cluster can be, and whom we must not send to on a stranger's word. */
const reserved: readonly (readonly [cidr: Cidr, what: string])[] = (
  [
    ['0.0.0.0/8', 'this network'],
    ['127.0.0.0/8', 'loopback'],
    // Cloud metadata services among others.
    ['169.254.0.0/16', 'link-local'],
    ['224.0.0.0/4', 'multicast'],
    ['240.0.0.0/4', 'reserved'],
    ['::/127', 'unspecified or loopback'],
    ['::ffff:0:0/96', 'IPv4-mapped'],
    ['64:ff9b:1::/48', 'local translation'],
    ['fe80::/10', 'link-local'],
    ['ff00::/8', 'multicast'],
  ] as const
).flatMap(([text, what]) => {
  const cidr = parseCidr(text);
  return cidr === undefined ? [] : [[cidr, what] as const];
});

/**
 * Why an address cannot be another gateway's.
 *
 * @param globals blocks that travel through the tunnels: who dialled an address of them would send the tunnel into itself.
 * @returns a sentence's part after "as"; undefined where it may be dialled.
 */
export function whyNotDialled(text: string, globals: readonly Cidr[]): string | undefined {
  const address: Address | undefined = parseAddress(text);
  if (address === undefined)
    return `an endpoint must be an address: current value is ${JSON.stringify(text)}`;
  for (const [cidr, what] of reserved) {
    if (cidrHas(cidr, address))
      return `the endpoint ${text} must be a gateway's: it is ${what} (${formatCidr(cidr)})`;
  }
  const around = globals.find(global => cidrHas(global, address));
  if (around === undefined) return undefined;
  return `the endpoint ${text} must be outside of the tunnels: it is in ${formatCidr(around)}`;
}
