import { type Cidr, formatCidr } from '../ipam/cidr.ts';
import { keepsBlocks, type Network, parseCidrs, planNetwork } from './network.ts';

/** What to do when the cluster's CIDR is another one than that of the ports that exist. */
export type CidrChange = 'refuse' | 'renumber';

export interface Accepted {
  readonly network: Network;
  /** Why it is not the one asked for. */
  readonly refused?: string;
}

/**
 * Decides which network is used. A changed CIDR would take the addresses of running pods away, so that it is only taken
 * where no port exists, or where that is what was asked for.
 *
 * @param wanted undefined while the hub cannot be asked: what the switch remembers serves then.
 * @param recorded the blocks that the ports are from, and the global ones, as the switch remembers them.
 * @returns undefined where neither is known.
 */
export function acceptNetwork(
  wanted: Network | undefined,
  recorded: { readonly cidrs: string | undefined; readonly globals: string | undefined },
  hasPorts: boolean,
  change: CidrChange,
): Accepted | undefined {
  const before = parseCidrs(recorded.cidrs);
  if (wanted !== undefined && (!hasPorts || change === 'renumber' || keepsBlocks(wanted, before))) {
    return { network: wanted };
  }
  const globals = [...(wanted ?? []).map(({ global }) => global), ...parseCidrs(recorded.globals)];
  const former = planNetwork(before, pickGlobals(before, globals), undefined);
  // What was written down was legal when it was: only meddling makes it otherwise.
  if (typeof former === 'string') return wanted && { network: wanted };
  if (wanted === undefined) return { network: former };
  return {
    network: former,
    refused: `Cannot take the CIDR ${wanted.map(({ cidr }) => formatCidr(cidr)).join(', ')} as no port must have addresses of another: ports have addresses of ${before.map(formatCidr).join(', ')}`,
  };
}

/** For each block a global one that holds it, the wanted ones first. */
function pickGlobals(blocks: readonly Cidr[], globals: readonly Cidr[]): readonly Cidr[] {
  return blocks.flatMap(block => {
    const found = globals.find(global => typeof planNetwork([block], [global], undefined) !== 'string');
    return found === undefined ? [] : [found];
  });
}
