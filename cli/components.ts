import type { Component } from '../process/component.ts';
import type { OptionSet, OptionValues } from '../process/options.ts';

/** Something that a component does once, and that ends: `nauti <component> <tool> [words]`. */
export interface Tool<S extends OptionSet = OptionSet> {
  readonly summary: string;
  /** What words it takes, as the help text shows them. */
  readonly usage: string;
  readonly options: S;
  /** @returns the exit code. */
  run(words: readonly string[], options: OptionValues<S>): Promise<number>;
}

/** A component as the list of components shows it; loading it costs memory, so only the one named is loaded. */
export interface Entry {
  readonly summary: string;
  load(): Promise<Component>;
  readonly tools?: Readonly<Record<string, () => Promise<Tool>>>;
}

export const components: Readonly<Record<string, Entry>> = {
  crossdns: {
    summary: 'DNS server for the services of all clusters',
    load: async () => (await import('../crossdns/main.ts')).crossdns,
    tools: { explain: async () => (await import('../crossdns/explaincommand.ts')).explainTool as Tool },
  },
  'dns-publish': {
    summary: 'keeps what crossdns answers from in Redis, for servers without access to an API server',
    load: async () => (await import('../crossdns/publish-main.ts')).dnsPublish,
  },
  hub: {
    summary: 'who may join, which CIDR a cluster has, who is alive',
    load: async () => (await import('../hub/main.ts')).hub,
  },
  nri: {
    summary: 'gives the pods of a node their second NIC',
    load: async () => (await import('../nri/main.ts')).nri,
  },
  octopus: {
    summary: 'WireGuard gateway: carries the secondary network between the clusters',
    load: async () => (await import('../octopus/main.ts')).octopus,
    tools: {
      showconf: async () => (await import('../octopus/tools.ts')).showconfTool as Tool,
      graph: async () => (await import('../octopus/tools.ts')).graphTool as Tool,
    },
  },
  'ovn-controller': {
    summary: 'gives every pod an address and a logical switch port in OVN',
    load: async () => (await import('../ovn-controller/main.ts')).ovnController,
  },
  'ovn-certificate': {
    summary: "gets a certificate for a client or server of OVN's databases, and renews it in time",
    load: async () => (await import('../ovn-pki/certificate-main.ts')).ovnCertificate,
  },
  'ovn-leave': {
    summary: 'takes OVN off the nodes of a cluster: before it is uninstalled',
    load: async () => (await import('../ovn-node/main.ts')).ovnLeave,
  },
  'ovn-link': {
    summary: "carries what the members of OVN's databases say to each other, by TLS",
    load: async () => (await import('../ovn-node/link-main.ts')).ovnLink,
  },
  'ovn-pki': {
    summary: "signs the certificates by which OVN's databases and their clients know each other",
    load: async () => (await import('../ovn-pki/main.ts')).ovnPki,
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
