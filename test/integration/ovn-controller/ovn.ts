/** OVN's databases with a real ovn-northd between them, for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OvsdbClient, Transaction } from 'ovsdb-client';
import type { OVNNorthboundDatabase } from 'ovsdb-client/ovn-northbound';
import type { OVNSouthboundDatabase } from 'ovsdb-client/ovn-southbound';
import { formatEndpoint } from '../../../ovsdb-client/endpoint.ts';
import { OvsdbServer } from '../../../ovsdb-client/testing/ovsdb-server.ts';
import { RunningProgram, runProgram, sharedFile, versionOf } from '../../../ovsdb-client/testing/programs.ts';

/** Northbound, southbound and northd; each can be ended and started again. */
export class Ovn implements AsyncDisposable {
  readonly directory: string;
  readonly northbound: OvsdbServer;
  readonly southbound: OvsdbServer;
  readonly nb: OvsdbClient<OVNNorthboundDatabase>;
  readonly sb: OvsdbClient<OVNSouthboundDatabase>;
  #northd: RunningProgram | undefined;

  constructor(directory: string) {
    this.directory = directory;
    this.northbound = new OvsdbServer(directory, 'nb', join(directory, 'nb.db'), []);
    this.southbound = new OvsdbServer(directory, 'sb', join(directory, 'sb.db'), []);
    const fast = { backoffMs: { first: 10, last: 50 } };
    this.nb = new OvsdbClient({ database: 'OVN_Northbound', endpoints: [this.northbound.endpoint], ...fast });
    this.sb = new OvsdbClient({ database: 'OVN_Southbound', endpoints: [this.southbound.endpoint], ...fast });
  }

  startNorthd(): void {
    this.#northd = new RunningProgram('ovn-northd', [
      `--ovnnb-db=${formatEndpoint(this.northbound.endpoint)}`,
      `--ovnsb-db=${formatEndpoint(this.southbound.endpoint)}`,
      `--unixctl=${join(this.directory, 'northd.ctl')}`,
      '--no-chdir',
      '-vconsole:warn',
    ]);
  }

  /** Loses everything that was in the northbound database. */
  async loseNorthbound(): Promise<void> {
    await this.northbound.kill();
    await createDatabase(join(this.directory, 'nb.db'), 'ovn/ovn-nb.ovsschema');
    await this.northbound.start();
  }

  /** Deletes all that was configured. ovn-northd stays connected, which after a loss tries again ever more rarely. */
  async clearNorthbound(): Promise<void> {
    const transaction = new Transaction<OVNNorthboundDatabase>();
    for (const table of ['Logical_Switch', 'Port_Group', 'Address_Set'] as const)
      transaction.delete(table, [true]);
    await this.nb.transact(transaction);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.nb.close(), this.sb.close()]);
    await this.#northd?.stop();
    await Promise.all([this.northbound.kill(), this.southbound.kill()]);
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function createDatabase(path: string, schema: string): Promise<void> {
  await rm(path, { force: true });
  await runProgram('ovsdb-tool', 'create', path, sharedFile(schema));
}

/** @param northd whether ovn-northd runs too. */
export async function startOvn({ northd = false }: { northd?: boolean } = {}): Promise<Ovn> {
  const directory = await mkdtemp(join(tmpdir(), 'nauti-ovn-'));
  await createDatabase(join(directory, 'nb.db'), 'ovn/ovn-nb.ovsschema');
  await createDatabase(join(directory, 'sb.db'), 'ovn/ovn-sb.ovsschema');
  const ovn = new Ovn(directory);
  await Promise.all([ovn.northbound.start(), ovn.southbound.start()]);
  if (northd) ovn.startNorthd();
  return ovn;
}

export async function ovnVersions(): Promise<string> {
  return `${await versionOf('ovsdb-server')}, ${await versionOf('ovn-northd')}`;
}
