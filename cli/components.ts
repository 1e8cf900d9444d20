import type { Component } from '../process/component.ts';

/** A component as the list of components shows it; loading it costs memory, so only the one named is loaded. */
export interface Entry {
  readonly summary: string;
  load(): Promise<Component>;
}

export const components: Readonly<Record<string, Entry>> = {
  crossdns: {
    summary: 'DNS server for the services of all clusters',
    load: async () => (await import('../crossdns/main.ts')).crossdns,
  },
  hub: {
    summary: 'who may join, which CIDR a cluster has, who is alive',
    load: async () => (await import('../hub/main.ts')).hub,
  },
  'ovn-controller': {
    summary: 'gives every pod an address and a logical switch port in OVN',
    load: async () => (await import('../ovn-controller/main.ts')).ovnController,
  },
  syncer: {
    summary: 'exports Services to the hub and imports those of the other clusters',
    load: async () => (await import('../syncer/main.ts')).syncer,
  },
  'syncer-leave': {
    summary: 'ends what the syncer does in a cluster: before it is uninstalled, or to leave the hub',
    load: async () => (await import('../syncer/leave-main.ts')).syncerLeave,
  },
};
