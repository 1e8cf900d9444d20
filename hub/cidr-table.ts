import { isCidr, isClusterId } from '../api/legal-names.ts';
import type { KubeObject } from '../api/meta.ts';
import { configMaps } from '../api/resource.ts';
import { type KubeClient, KubeError } from '../kube/client.ts';
import { type Allocations, type CidrChoice, type CidrSettings, chooseCidrs } from './cidr-choice.ts';

export const cidrTableName = 'nauti-cluster-cidrs';

/**
 * Which cluster has which CIDR, as one ConfigMap of the share namespace that members cannot read.
 *
 * The whole table is one object, and each change names the version that it was decided on: of two workers that decide
 * at the same time one is refused and decides anew. So no two clusters ever get blocks that overlap, whoever leads.
 */
export class CidrTable {
  readonly #client: KubeClient;
  readonly #reference: { readonly namespace: string; readonly name: string };

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#reference = { namespace, name: cidrTableName };
  }

  /** What is given, together with what the Peers say where the table does not: it may have been lost. */
  async allocations(announced: Allocations, signal: AbortSignal): Promise<Allocations> {
    return merged(await this.#read(signal), announced);
  }

  /**
   * Decides, and writes down, what a cluster gets.
   *
   * @param announced CIDRs of the Peers; the hub's own is not one of them.
   */
  async claim(
    id: string,
    requested: string | undefined,
    announced: Allocations,
    settings: CidrSettings,
    signal: AbortSignal,
  ): Promise<CidrChoice & { readonly allocations: Allocations }> {
    return await this.#change(signal, table => {
      const allocations = new Map(merged(table, announced));
      const choice = chooseCidrs(id, allocations, requested, settings);
      allocations.set(id, choice.cidrs);
      const data = dataOf(table);
      if (choice.cidrs.length > 0) data[id] = choice.cidrs.join(',');
      return { data, result: { ...choice, allocations } };
    });
  }

  /** Gives back what a cluster has. */
  async release(id: string, signal: AbortSignal): Promise<void> {
    await this.#change(signal, table => {
      const { [id]: _, ...data } = dataOf(table);
      return { data, result: undefined };
    });
  }

  async #change<T>(
    signal: AbortSignal,
    decide: (table: KubeObject | undefined) => { data: Record<string, string>; result: T },
  ): Promise<T> {
    for (;;) {
      const table = await this.#read(signal);
      const { data, result } = decide(table);
      if (sameData(data, dataOf(table))) return result;
      try {
        if (table === undefined) await this.#client.create(configMaps, this.#object(data), { signal });
        else await this.#client.update(configMaps, { ...table, data }, { signal });
        return result;
      } catch (error) {
        // Somebody changed the table since it was read: what was decided may be wrong.
        if (!(error instanceof KubeError && error.status === 409)) throw error;
      }
    }
  }

  async #read(signal: AbortSignal): Promise<KubeObject | undefined> {
    return await this.#client.get(configMaps, this.#reference, { signal });
  }

  #object(data: Record<string, string>): KubeObject {
    return { metadata: { ...this.#reference, labels: { 'app.kubernetes.io/part-of': 'nauti' } }, data };
  }
}

/** The table's lines as they are: one that cannot be read is kept for a person to look at. */
function dataOf(table: KubeObject | undefined): Record<string, string> {
  return { ...(table?.data as Record<string, string> | undefined) };
}

function merged(table: KubeObject | undefined, announced: Allocations): Allocations {
  const allocations = new Map(announced);
  for (const [id, text] of Object.entries(dataOf(table))) {
    const cidrs = text.split(',').filter(isCidr);
    if (isClusterId(id) && cidrs.length > 0) allocations.set(id, cidrs);
  }
  return allocations;
}

function sameData(a: Record<string, string>, b: Record<string, string>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every(key => a[key] === b[key]);
}
