import { randomUUID } from 'node:crypto';
import type { ClientOptions } from 'ovsdb-client';
import {
  type Change,
  type ClientState,
  type MonitorHandle,
  OutcomeUnknownError,
  OvsdbClient,
  type ReplicaTable,
  Transaction,
  TransactionError,
  type Uuid,
} from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import type { Address } from '../ipam/address.ts';
import { logicalSwitch } from './annotations.ts';
import { ownerOfPort, type PortRow, vendor } from './desired-port.ts';
import { isNodeKey } from './port-owner.ts';
import { isDone, type PortPlan } from './port-plan.ts';
import { addPortWrites } from './port-writes.ts';
import { addReleasedWrites, parseReleased, releasedSet } from './released.ts';

/** Another process writes, or the switch is not what it was: nothing of the transaction was done. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** Keys of the switch's external_ids. */
const writerKey = 'nauti-writer';
const cidrKey = 'nauti-cidr';
const globalCidrKey = 'nauti-global-cidr';

const request = {
  Logical_Switch: { columns: ['name', 'external_ids'] },
  Logical_Switch_Port: {
    columns: ['name', 'addresses', 'port_security', 'external_ids'],
    indexes: {
      byOwner: (port: Pick<PortRow, 'external_ids'>) => {
        const owner = ownerOfPort(port);
        return owner === undefined ? [] : [owner];
      },
      byName: (port: Pick<PortRow, 'name'>) => [port.name],
    },
  },
  Address_Set: { columns: ['name', 'external_ids'], where: [['name', '==', releasedSet]] },
} as const;

type DB = OVNNorthboundDatabase;
type PortChange = Extract<Change<DB, typeof request>, { table: 'Logical_Switch_Port' }>;

/** The switch as its only writer sees it. */
interface Seat {
  readonly uuid: Uuid;
  readonly token: string;
}

/**
 * OVN's northbound database, as far as this component reads and writes it.
 *
 * Only one process writes: {@link begin} leaves a token on the switch, every transaction asks for it, and so what an
 * earlier writer still has under way is either in the database before that, or never will be. This holds whatever
 * leases, locks and clocks say, and over a change of the database's leader.
 */
export class Northbound implements AsyncDisposable {
  readonly client: OvsdbClient<DB>;
  readonly #monitor: MonitorHandle<DB, typeof request>;
  #seat: Seat | undefined;

  constructor(options: Omit<ClientOptions, 'database'>) {
    this.client = new OvsdbClient<DB>({ ...options, database: 'OVN_Northbound' });
    this.#monitor = this.client.monitor(request);
  }

  get state(): ClientState {
    return this.client.state;
  }

  /** Whether what is seen is what there is. */
  get isFollowing(): boolean {
    return this.#monitor.isFollowing;
  }

  synced(signal: AbortSignal): Promise<void> {
    return this.#monitor.synced(signal);
  }

  get ports(): ReplicaTable<PortRow> {
    return this.#monitor.replica.table('Logical_Switch_Port');
  }

  /** @param owner key of a pod or node */
  portsOf(owner: string): readonly PortRow[] {
    return this.ports.find('byOwner', owner);
  }

  portNamed(name: string): PortRow | undefined {
    return this.ports.find('byName', name)[0];
  }

  /** The blocks that the switch's ports are from, and the global ones, as they were written down. */
  get recorded(): { readonly cidrs: string | undefined; readonly globals: string | undefined } {
    const ids = this.#findSwitch()?.external_ids;
    return { cidrs: ids?.get(cidrKey), globals: ids?.get(globalCidrKey) };
  }

  /** Whether a pod has a port of ours. Nodes take another address whenever they are told to. */
  get hasPodPorts(): boolean {
    for (const port of this.ports.values()) {
      const owner = ownerOfPort(port);
      if (owner !== undefined && !isNodeKey(owner)) return true;
    }
    return false;
  }

  /** What StatefulSets' pods had that are gone. */
  get released(): ReadonlyMap<string, readonly Address[]> {
    return parseReleased(this.#releasedIds);
  }

  /** Whether the switch carries another writer's token; false where there is no token, or no switch. */
  get isTakenOver(): boolean {
    const token = this.#findSwitch()?.external_ids.get(writerKey);
    return this.#seat !== undefined && token !== undefined && token !== this.#seat.token;
  }

  /** Told of changed ports, those of one transaction together. */
  subscribe(listener: (changes: readonly PortChange[]) => void): () => void {
    return this.#monitor.replica.subscribe(changes => {
      const ports = changes.filter(change => change.table === 'Logical_Switch_Port');
      if (ports.length > 0) listener(ports);
    });
  }

  /** Becomes the writer. When it resolves, everything that an earlier writer did is seen, and nothing more will come. */
  async begin(identity: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const found = this.#findSwitch();
      if (found === undefined) {
        await this.#makeSwitch(signal);
        continue;
      }
      const token = `${identity}/${randomUUID()}`;
      const transaction = new Transaction<DB>();
      setExternalIds(transaction, found._uuid, { [writerKey]: token, vendor });
      const [sets] = this.#monitor.replica.table('Address_Set').values();
      if (sets === undefined) {
        transaction.wait('Address_Set', [['name', '==', releasedSet]], ['name'], '==', []);
        transaction.insert('Address_Set', { name: releasedSet, external_ids: { vendor } });
      }
      if (!(await this.#tryWrite(transaction, signal))) continue;
      // The switch may have gone since: then nothing was written.
      if (this.#findSwitch()?.external_ids.get(writerKey) !== token) continue;
      this.#seat = { uuid: found._uuid, token };
      return;
    }
  }

  /** Writes down which blocks the ports are from. @throws FencedError */
  async record(cidrs: string, globals: string, signal: AbortSignal): Promise<void> {
    const { recorded } = this;
    if (recorded.cidrs === cidrs && recorded.globals === globals) return;
    const { transaction, seat } = this.fenced();
    setExternalIds(transaction, seat, { [cidrKey]: cidrs, [globalCidrKey]: globals });
    await this.commit(transaction, signal);
  }

  /** Does all of a plan, or nothing. @throws FencedError, TransactionError, OutcomeUnknownError, the signal's reason */
  async carryOut(
    plan: PortPlan,
    assignments: (key: string) => readonly Address[],
    signal: AbortSignal,
  ): Promise<void> {
    if (isDone(plan)) return;
    const { transaction, seat } = this.fenced();
    addPortWrites(transaction, seat, plan);
    addReleasedWrites(transaction, { plan, known: this.#releasedIds, assignments });
    await this.commit(transaction, signal);
  }

  /** A transaction that only the writer can commit. */
  fenced(): { readonly transaction: Transaction<DB>; readonly seat: Uuid } {
    if (this.#seat === undefined)
      throw new FencedError('Cannot write as the switch must be taken over first');
    const { uuid, token } = this.#seat;
    const transaction = new Transaction<DB>();
    transaction.wait(
      'Logical_Switch',
      [
        ['_uuid', '==', uuid],
        ['external_ids', 'includes', { [writerKey]: token }],
      ],
      ['name'],
      '==',
      [{ name: logicalSwitch }],
    );
    return { transaction, seat: uuid };
  }

  async commit(transaction: Transaction<DB>, signal: AbortSignal): Promise<void> {
    try {
      await this.client.transact(transaction, { signal });
    } catch (error) {
      if (!(error instanceof TransactionError) || error.operation !== 0) throw error;
      throw new FencedError('Cannot write as the switch must carry the token of this process', {
        cause: error,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }

  get #releasedIds(): ReadonlyMap<string, string> {
    const [row] = this.#monitor.replica.table('Address_Set').values();
    return row?.external_ids ?? new Map();
  }

  /** Ours where there are several of the name; names of switches are not unique. */
  #findSwitch() {
    const named = [...this.#monitor.replica.table('Logical_Switch').values()].filter(
      row => row.name === logicalSwitch,
    );
    const rank = (row: (typeof named)[number]) =>
      `${row.external_ids.get('vendor') === vendor ? 0 : 1}${row._uuid}`;
    return named.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
  }

  async #makeSwitch(signal: AbortSignal): Promise<void> {
    const transaction = new Transaction<DB>();
    transaction.wait('Logical_Switch', [['name', '==', logicalSwitch]], ['name'], '==', []);
    transaction.insert('Logical_Switch', { name: logicalSwitch, external_ids: { vendor } });
    await this.#tryWrite(transaction, signal);
  }

  /** @returns false where somebody else was faster: then what is there is seen by now. */
  async #tryWrite(transaction: Transaction<DB>, signal: AbortSignal): Promise<boolean> {
    try {
      await this.client.transact(transaction, { signal });
      return true;
    } catch (error) {
      if (error instanceof TransactionError && error.tag === 'timed out') return false;
      // Done or not: the next look at the replica tells.
      if (error instanceof OutcomeUnknownError) return false;
      throw error;
    }
  }
}

/** Keys that exist are not overwritten by an insertion (RFC 7047 section 5.1). */
function setExternalIds(
  transaction: Transaction<DB>,
  row: Uuid,
  ids: Readonly<Record<string, string>>,
): void {
  transaction.mutate(
    'Logical_Switch',
    [['_uuid', '==', row]],
    [
      ['external_ids', 'delete', Object.keys(ids)],
      ['external_ids', 'insert', ids],
    ],
  );
}
