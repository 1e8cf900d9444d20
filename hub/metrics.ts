import { Counter, Gauge, type Registry } from 'prom-client';
import { type Cidr, formatCidr } from '../ipam/cidr.ts';
import { type Allocations, usedShare } from './cidr-choice.ts';
import type { World } from './world.ts';

/** What the hub measures of itself. */
export interface HubMetrics {
  readonly joinTokensEnded: Counter<'reason'>;
  readonly purges: Counter<string>;
  setUsed(globals: readonly Cidr[], allocations: Allocations): void;
}

export function hubMetrics(registry: Registry, world: World): HubMetrics {
  const registers = [registry];
  const used = new Gauge({
    name: 'nauti_hub_cidr_used_ratio',
    help: 'Part of a global CIDR that clusters have, from 0 to 1.',
    labelNames: ['cidr'],
    registers,
  });
  new Gauge({
    name: 'nauti_hub_clusters',
    help: 'Joined clusters by what their leases say: renewing, silent, unknown.',
    labelNames: ['sign'],
    registers,
    collect() {
      for (const [sign, count] of world.countBySign()) this.set({ sign }, count);
    },
  });
  return {
    joinTokensEnded: new Counter({
      name: 'nauti_hub_join_tokens_ended_total',
      help: 'Join tokens that were ended, by reason: used, expired.',
      labelNames: ['reason'],
      registers,
    }),
    purges: new Counter({
      name: 'nauti_hub_purges_total',
      help: 'Clusters that were removed because they gave no sign of life for too long.',
      registers,
    }),
    setUsed(globals, allocations) {
      for (const global of globals) used.set({ cidr: formatCidr(global) }, usedShare(global, allocations));
    },
  };
}
