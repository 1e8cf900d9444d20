import type { MonitorHandle, Transaction, Uuid } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { vendor } from './desired-port.ts';
import type { Group, Rule } from './isolation-plan.ts';
import type { Northbound } from './northbound.ts';

const request = {
  Port_Group: {
    columns: ['name', 'ports', 'acls', 'external_ids'],
    where: [['external_ids', 'includes', { vendor }]],
  },
  ACL: {
    columns: ['direction', 'priority', 'match', 'action', 'external_ids'],
    where: [['external_ids', 'includes', { vendor }]],
  },
} as const;

type DB = OVNNorthboundDatabase;

/** The port groups and access rules of ours in OVN. */
export class IsolationStore {
  readonly #northbound: Northbound;
  readonly #monitor: MonitorHandle<DB, typeof request>;

  constructor(northbound: Northbound) {
    this.#northbound = northbound;
    this.#monitor = northbound.client.monitor(request);
  }

  synced(signal: AbortSignal): Promise<void> {
    return this.#monitor.synced(signal);
  }

  /** Whether there is anything of ours. */
  get isEmpty(): boolean {
    return this.#monitor.replica.table('Port_Group').size === 0;
  }

  /** Told when somebody changed something. */
  subscribe(listener: () => void): () => void {
    return this.#monitor.replica.subscribe(listener);
  }

  /**
   * Makes OVN's groups equal to these; pods without a port are left out until they have one.
   *
   * @returns whether anything had to be written.
   * @throws FencedError, TransactionError, OutcomeUnknownError, the signal's reason
   */
  async equalize(groups: readonly Group[], signal: AbortSignal): Promise<boolean> {
    const { transaction } = this.#northbound.fenced();
    const before = transaction.size;
    const present = new Map(
      [...this.#monitor.replica.table('Port_Group').values()].map(row => [row.name, row]),
    );
    for (const group of groups) {
      const ports = this.#portsOf(group);
      const row = present.get(group.name);
      present.delete(group.name);
      if (row === undefined) {
        const acls = addRules(transaction, group.rules);
        transaction.insert('Port_Group', { name: group.name, ports, acls, external_ids: { vendor } });
        continue;
      }
      const here = [['_uuid', '==', row._uuid]] as const;
      const there = new Set(row.ports);
      const wanted = new Set(ports);
      const added = ports.filter(port => !there.has(port));
      const gone = row.ports.filter(port => !wanted.has(port));
      if (added.length > 0) transaction.mutate('Port_Group', here, [['ports', 'insert', added]]);
      if (gone.length > 0) transaction.mutate('Port_Group', here, [['ports', 'delete', gone]]);
      // The database collects rules that no group has.
      if (!this.#hasRules(row.acls, group.rules)) {
        transaction.update('Port_Group', here, { acls: addRules(transaction, group.rules) });
      }
    }
    for (const row of present.values()) transaction.delete('Port_Group', [['_uuid', '==', row._uuid]]);
    if (transaction.size === before) return false;
    await this.#northbound.commit(transaction, signal);
    return true;
  }

  #portsOf(group: Group): Uuid[] {
    const ports: Uuid[] = [];
    for (const key of group.pods) {
      const [port] = this.#northbound.portsOf(key);
      if (port !== undefined) ports.push(port._uuid);
    }
    return ports;
  }

  #hasRules(acls: readonly Uuid[], rules: readonly Rule[]): boolean {
    const table = this.#monitor.replica.table('ACL');
    const present = acls.map(uuid => table.get(uuid)).map(row => row && textOf(row));
    const wanted = rules.map(textOf);
    return present.length === wanted.length && wanted.every(text => present.includes(text));
  }
}

function addRules(transaction: Transaction<DB>, rules: readonly Rule[]) {
  return rules.map(rule => transaction.insert('ACL', { ...rule, external_ids: { vendor } }));
}

function textOf({ direction, priority, match, action }: { readonly [K in keyof Rule]: unknown }): string {
  return JSON.stringify([direction, priority, match, action]);
}
