import type { Logger } from '../process/log.ts';
import type { ClientAddress } from './client.ts';
import type { Query } from './message.ts';
import { wireToName } from './name.ts';
import type { Outcome, Transport } from './outcome.ts';
import { typeText } from './protocol.ts';

/** Writes a share of the queries to the log. Off until a share is set, which may be at any time. */
export class QueryLog {
  /** From 0 (none) to 1 (all). */
  sample = 0;
  readonly #log: Logger | undefined;

  constructor(log?: Logger) {
    this.#log = log;
  }

  write(
    outcome: Outcome & { readonly query: Query },
    size: number,
    transport: Transport,
    client: ClientAddress,
  ): void {
    if (this.#log === undefined || (this.sample < 1 && Math.random() >= this.sample)) return;
    const { query, rcode, rateLimited, truncated } = outcome;
    this.#log.info(
      {
        client: client.toString(),
        transport,
        name: query.nameLength === 0 ? undefined : wireToName(query.name),
        type: typeText(query.type),
        rcode,
        size,
        ...(truncated ? { truncated } : {}),
        ...(rateLimited ? { rateLimited } : {}),
      },
      'query',
    );
  }
}
