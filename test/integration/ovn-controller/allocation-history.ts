import { OvsdbClient } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import { pods } from '../../../api/resource.ts';
import { ObjectCache } from '../../../kube/cache.ts';
import { silentLogger } from '../../../process/log.ts';
import type { World } from './world.ts';

/** Looks at every state that the API server and OVN tell of, for addresses with two owners and pods whose address changes. */
export class AllocationHistory implements AsyncDisposable {
  /** What was wrong at some moment, one sentence each. */
  readonly faults: string[] = [];
  /** Pods that show an allocation now. */
  readonly allocated = new Map<string, string>();
  readonly #stop = new AbortController();
  readonly #following: Promise<void>;
  readonly #nb: OvsdbClient<OVNNorthboundDatabase>;

  private constructor(world: World) {
    const cache = new ObjectCache<{ readonly uid: string; readonly address: string }>({
      client: world.admin,
      resource: pods,
      project({ metadata: { uid = '', annotations = {} } }) {
        const address = annotations['nauti.io/ip_address'];
        return address !== undefined && annotations['nauti.io/allocated'] === 'true'
          ? { uid, address }
          : undefined;
      },
      log: silentLogger(),
    });
    cache.subscribe(({ key, before, after }) => {
      if (before !== undefined && before.uid === after?.uid && before.address !== after.address)
        this.faults.push(`${key} had ${before.address}, then ${after.address}`);
      if (after === undefined) this.allocated.delete(key);
      else this.allocated.set(key, after.address);
    });
    this.#following = cache.run(this.#stop.signal);
    this.#nb = new OvsdbClient({
      database: 'OVN_Northbound',
      endpoints: [world.ovn.northbound.endpoint],
      backoffMs: { first: 10, last: 50 },
    });
    const ports = this.#nb.monitor({ Logical_Switch_Port: { columns: ['name', 'addresses'] } });
    const holders = new Map<string, Set<string>>();
    ports.replica.subscribe(changes => {
      for (const { before } of changes)
        for (const address of before?.addresses ?? []) holders.get(address)?.delete(before?.name ?? '');
      for (const { after } of changes) {
        for (const address of after?.addresses ?? []) {
          const names = (holders.get(address) ?? new Set()).add(after?.name ?? '');
          holders.set(address, names);
          if (names.size > 1) this.faults.push(`${[...names].join(' and ')} both had ${address}`);
        }
      }
    });
  }

  /** Follows from now on. */
  static of(world: World): AllocationHistory {
    return new AllocationHistory(world);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#following;
    await this.#nb.close();
  }
}
