import { DisconnectedError, RequestError } from './errors.ts';
import { Monitor } from './monitor.ts';
import { Replica } from './replica.ts';
import { parseSchema, tableOf } from './schema.ts';
import type { Session } from './session.ts';

/** A row of `_Server.Database` (ovsdb-server(5)); older servers lack some columns. */
export interface DatabaseStatus {
  readonly name: string;
  readonly model: string;
  readonly connected: boolean;
  readonly leader: boolean;
  /** The schema as JSON text; none while a clustered database has not joined. */
  readonly schema: string | undefined;
  /** The cluster. */
  readonly cid: string | undefined;
  /** How much of the cluster's log the server has. */
  readonly index: number | undefined;
}

interface ServerSchema {
  readonly Database: DatabaseStatus;
}

const wanted = ['name', 'model', 'connected', 'leader', 'schema', 'cid', 'index'] as const;
const request = { Database: { columns: wanted } } as const;

export type ServerMonitor = Monitor<ServerSchema, typeof request>;

/** The name of the monitor of `_Server`; those of users are numbered. */
export const serverMonitorId = 'server';

/**
 * Follows what a server says of its databases.
 *
 * @param onStart is given the monitor before it asks, as updates may come from then on.
 * @returns undefined for servers that have no `_Server` database (before OVS 2.9).
 */
export async function followServer(
  session: Session,
  onStart: (monitor: ServerMonitor) => void,
): Promise<ServerMonitor | undefined> {
  try {
    const schema = parseSchema(await session.request('get_schema', ['_Server']));
    const columns = wanted.filter(name => tableOf(schema, 'Database').columns.has(name));
    const reduced = { Database: { columns } } as unknown as typeof request;
    const monitor: ServerMonitor = new Monitor(serverMonitorId, new Replica(reduced), reduced);
    onStart(monitor);
    // Before the first answer, so that a conversion right behind it does not end the connection.
    await session.request('set_db_change_aware', [true]);
    await monitor.start(session, schema);
    return monitor;
  } catch (error) {
    if (error instanceof RequestError) return undefined;
    throw error;
  }
}

/** What a client asks of the server that it stays with. */
export interface Demand {
  readonly database: string;
  readonly leaderOnly: boolean;
  /** The highest index that was seen of a cluster: a server that has less would turn time back. */
  readonly seen: ReadonlyMap<string, number>;
}

/** @returns why a server does not serve a client, as the reason to leave it; undefined where it does. */
export function findFault(status: DatabaseStatus | undefined, demand: Demand): DisconnectedError | undefined {
  const fault = (text: string) => new DisconnectedError(`Cannot use the server as ${text}`);
  if (status === undefined) return fault(`it must have the database ${demand.database}: it has not`);
  if (status.schema === undefined) return fault('its database must have joined its cluster: it has not');
  if (status.model === 'standalone') return undefined;
  if (!status.connected) return fault('it must be connected to the rest of its cluster: it is not');
  if (demand.leaderOnly && !status.leader) return fault('it must be the leader of its cluster: it is not');
  const seen = status.cid === undefined ? undefined : demand.seen.get(status.cid);
  if (seen !== undefined && status.index !== undefined && status.index < seen) {
    return fault(`its log must reach ${seen}, which was seen already: current value is ${status.index}`);
  }
  return undefined;
}

export function statusOf(server: ServerMonitor, database: string): DatabaseStatus | undefined {
  for (const row of server.replica.table('Database').values()) if (row.name === database) return row;
  return undefined;
}
