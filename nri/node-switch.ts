import {
  type Change,
  type ClientOptions,
  type MonitorHandle,
  OvsdbClient,
  Transaction,
  type Uuid,
} from 'ovsdb-client';
import type { OpenVSwitchDatabase } from 'ovsdb-client/open-vswitch';
import { isInterfaceName } from './interface-name.ts';
import { podKey, type Sandbox } from './sandbox.ts';

/** Marks what is ours in the database; everything else is left alone. */
const vendor = 'nauti';

const request = {
  Open_vSwitch: { columns: ['external_ids'] },
  // Not its ports: each pod that starts or ends would be a change of the bridge, and all would be looked at.
  Bridge: { columns: ['name', 'datapath_type'] },
  Port: { columns: ['name', 'interfaces'] },
  Interface: {
    columns: ['name', 'external_ids', 'ofport', 'error', 'ifindex', 'type', 'mac', 'mtu_request'],
    indexes: { byName: (row: { readonly name: string }) => [row.name] },
  },
} as const;

type DB = OpenVSwitchDatabase;

/** One of our ports as the switch has it. */
export interface SwitchPort {
  /** Of port, interface and device. */
  readonly name: string;
  readonly sandboxId: string;
  readonly externalIds: ReadonlyMap<string, string>;
  /** Number of the port; undefined until the switch has looked at it. */
  readonly ofport: number | undefined;
  /** The switch could not open the device, or has lost it. */
  readonly isDead: boolean;
  /** OVN's flows for it are in place. */
  readonly isInstalled: boolean;
}

/** An interface of the switch under a name that is not a pod's. */
export interface NodePort {
  readonly name: string;
  /** Whether this component made it. */
  readonly isOurs: boolean;
  readonly externalIds: ReadonlyMap<string, string>;
  readonly mac: string | undefined;
  readonly mtu: number | undefined;
  /** Whether the switch has looked at it. */
  readonly isSeen: boolean;
  /** The switch could not make the device, or has lost it. */
  readonly isDead: boolean;
}

/** An internal port as it should be: a device of the node that the switch itself makes. */
export interface WantedNodePort {
  readonly name: string;
  readonly externalIds: Readonly<Record<string, string>>;
  readonly mac: string;
  readonly mtu: number;
}

/** external_ids of a pod's interface: the contract's, and the two by which we tell pods of one name apart. */
export function externalIdsOf(sandbox: Sandbox, ip: string): Record<string, string> {
  return {
    'iface-id': `${sandbox.name}.${sandbox.namespace}`,
    pod_name: sandbox.name,
    pod_namespace: sandbox.namespace,
    pod_netns: sandbox.netns ?? '',
    pod_uid: sandbox.uid,
    sandbox: sandbox.id,
    ip,
    vendor,
  };
}

/** Whether a port says what it should; what others wrote on it does not matter. */
export function saysAll(port: SwitchPort, externalIds: Readonly<Record<string, string>>): boolean {
  return Object.entries(externalIds).every(([key, value]) => port.externalIds.get(key) === value);
}

/** The node's Open_vSwitch database, as far as this component reads and writes it. */
export class NodeSwitch implements AsyncDisposable {
  readonly client: OvsdbClient<DB>;
  readonly #bridge: string;
  readonly #monitor: MonitorHandle<DB, typeof request>;

  constructor(bridge: string, options: Omit<ClientOptions, 'database'>) {
    this.#bridge = bridge;
    this.client = new OvsdbClient<DB>({ ...options, database: 'Open_vSwitch' });
    this.#monitor = this.client.monitor(request);
  }

  /** Whether what is seen is what there is. */
  get isFollowing(): boolean {
    return this.#monitor.isFollowing;
  }

  /** What keeps NICs from being made, or true. */
  get readiness(): true | string {
    if (!this.isFollowing) return 'the Open_vSwitch database must be reached';
    return this.#findBridge() === undefined ? `the bridge ${this.#bridge} must be there` : true;
  }

  /** Resolves when the database was read for the first time. */
  synced(signal: AbortSignal): Promise<void> {
    return this.#monitor.synced(signal);
  }

  /** Told after each transaction, by anyone, that changed something of interest. */
  subscribe(listener: (changes: readonly Change<DB, typeof request>[]) => void): () => void {
    return this.#monitor.replica.subscribe(listener);
  }

  /** `netdev` is the userspace datapath; undefined while there is no bridge. */
  get datapath(): string | undefined {
    const bridge = this.#findBridge();
    return bridge === undefined ? undefined : bridge.datapath_type || 'system';
  }

  /** The address of this node's tunnels; the first, where OVN has several. */
  get encapAddress(): string | undefined {
    const [row] = this.#monitor.replica.table('Open_vSwitch').values();
    return row?.external_ids.get('ovn-encap-ip')?.split(',')[0];
  }

  /** All ports of ours, those of former lives too. */
  *ports(): Generator<SwitchPort> {
    for (const row of this.#monitor.replica.table('Interface').values()) {
      const port = readPort(row);
      if (port !== undefined) yield port;
    }
  }

  portsOf(sandboxId: string): readonly SwitchPort[] {
    return [...this.ports()].filter(port => port.sandboxId === sandboxId);
  }

  /** The interface of that name, whoever made it. */
  nodePort(name: string): NodePort | undefined {
    const [row] = this.#monitor.replica.table('Interface').find('byName', name);
    if (row === undefined) return undefined;
    return {
      name,
      isOurs: row.type === 'internal' && row.external_ids.get('vendor') === vendor,
      externalIds: row.external_ids,
      mac: row.mac,
      mtu: row.mtu_request,
      isSeen: row.ofport !== undefined,
      isDead: isDead(row),
    };
  }

  hasPort(name: string): boolean {
    return this.#monitor.replica.table('Interface').find('byName', name).length > 0;
  }

  /**
   * Adds a port for a device that is there, in one transaction.
   *
   * @throws TransactionError where a port has that name already, or the bridge went meanwhile.
   */
  async addPort(
    name: string,
    externalIds: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#insertPort({ name, external_ids: externalIds }, signal);
  }

  /** Adds an internal port; the switch makes the device soon after. @throws TransactionError as {@link addPort}. */
  async addNodePort({ name, externalIds, mac, mtu }: WantedNodePort, signal: AbortSignal): Promise<void> {
    const ids = { ...externalIds, vendor };
    await this.#insertPort({ name, type: 'internal', external_ids: ids, mac, mtu_request: mtu }, signal);
  }

  async setNodePort({ name, externalIds, mac, mtu }: WantedNodePort, signal: AbortSignal): Promise<void> {
    const transaction = new Transaction<DB>();
    const where = [['name', '==', name]] as const;
    transaction.update('Interface', where, { mac, mtu_request: mtu });
    transaction.mutate('Interface', where, [
      ['external_ids', 'delete', Object.keys(externalIds)],
      ['external_ids', 'insert', externalIds],
    ]);
    await this.client.transact(transaction, { signal });
  }

  /** Takes an internal port of ours away, and its device with it; those of others stay. */
  async removeNodePort(name: string, signal: AbortSignal): Promise<void> {
    if (this.nodePort(name)?.isOurs === true) await this.#deletePorts(row => row.name === name, signal);
  }

  async #insertPort(
    row: Readonly<Record<string, unknown>> & { readonly name: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { name } = row;
    const transaction = new Transaction<DB>();
    transaction.wait('Interface', [['name', '==', name]], ['name'], '==', []);
    transaction.wait('Bridge', [['name', '==', this.#bridge]], ['name'], '==', [{ name: this.#bridge }]);
    const own = transaction.insert('Interface', row);
    const port = transaction.insert('Port', { name, interfaces: [own] });
    transaction.mutate('Bridge', [['name', '==', this.#bridge]], [['ports', 'insert', [port]]]);
    await this.client.transact(transaction, { signal });
  }

  async setExternalIds(
    name: string,
    externalIds: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const transaction = new Transaction<DB>();
    const where = [['name', '==', name]] as const;
    transaction.mutate('Interface', where, [
      ['external_ids', 'delete', Object.keys(externalIds)],
      ['external_ids', 'insert', externalIds],
    ]);
    await this.client.transact(transaction, { signal });
  }

  /** Takes ports off whatever bridge they are on; those that are gone already are no failure. */
  async removePorts(names: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#deletePorts(({ name }) => names.includes(name) && isInterfaceName(name), signal);
  }

  async #deletePorts(
    isMeant: (row: { readonly name: string }) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const ports: Uuid[] = [];
    for (const row of this.#monitor.replica.table('Port').values()) if (isMeant(row)) ports.push(row._uuid);
    if (ports.length === 0) return;
    const transaction = new Transaction<DB>();
    transaction.mutate('Bridge', [], [['ports', 'delete', ports]]);
    await this.client.transact(transaction, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }

  #findBridge(): { readonly name: string; readonly datapath_type: string } | undefined {
    for (const row of this.#monitor.replica.table('Bridge').values())
      if (row.name === this.#bridge) return row;
    return undefined;
  }
}

interface InterfaceRow {
  readonly name: string;
  readonly external_ids: ReadonlyMap<string, string>;
  readonly ofport: number | undefined;
  readonly error: string | undefined;
  readonly ifindex: number | undefined;
}

/** Of a device that went the index becomes 0, and nothing else changes. */
function isDead({ ofport, error, ifindex }: Pick<InterfaceRow, 'ofport' | 'error' | 'ifindex'>): boolean {
  return ofport === -1 || error !== undefined || ifindex === 0;
}

function readPort(row: InterfaceRow): SwitchPort | undefined {
  const { name, external_ids, ofport } = row;
  if (external_ids.get('vendor') !== vendor || !isInterfaceName(name)) return undefined;
  return {
    name,
    sandboxId: external_ids.get('sandbox') ?? '',
    externalIds: external_ids,
    ofport: ofport !== undefined && ofport > 0 ? ofport : undefined,
    isDead: isDead(row),
    isInstalled: external_ids.get('ovn-installed') === 'true',
  };
}

/** Whether a port is for the same pod name: of two such OVN serves only one. */
export function isForSamePod(port: SwitchPort, sandbox: Sandbox): boolean {
  const key = podKey({
    namespace: port.externalIds.get('pod_namespace') ?? '',
    name: port.externalIds.get('pod_name') ?? '',
  });
  return key === podKey(sandbox);
}
