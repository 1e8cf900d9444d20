import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nodeNamespace } from '../../lab/network-plan.ts';

/** One query of the probe. */
export interface Query {
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
  /** `answered`, `timeout`, or the response code. */
  readonly outcome: string;
}

/** What a client saw while something broke. */
export interface Outage {
  readonly queries: number;
  readonly failed: number;
  /** Milliseconds from the first failed query of the longest run of failures to the next good one. */
  readonly longestMs: number;
}

const probe = fileURLToPath(new URL('probe.ts', import.meta.url));

/** Resolves a name at 50 queries a second from a node, by the DNS server of the node's cluster. */
export class Resolving {
  readonly #queries: Query[] = [];
  readonly #stop: () => Promise<void>;

  constructor(node: string, server: string, name: string) {
    const namespace = `/run/netns/${nodeNamespace({ name: node })}`;
    const child = spawn('nsenter', [`--net=${namespace}`, process.execPath, probe, server, name, '50'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
    createInterface({ input: child.stdout }).on('line', line =>
      this.#queries.push(JSON.parse(line) as Query),
    );
    this.#stop = async () => {
      child.kill('SIGTERM');
      await ended;
    };
  }

  get answered(): number {
    return this.#queries.filter(query => query.outcome === 'answered').length;
  }

  /** Queries that ended after this call and were answered. */
  mark(): () => number {
    const before = this.answered;
    return () => this.answered - before;
  }

  async end(): Promise<Outage> {
    await this.#stop();
    return summarise(this.#queries);
  }
}

/** Pure: what a list of queries, in any order, says of an outage. */
export function summarise(queries: readonly Query[]): Outage {
  const ordered = [...queries].sort((a, b) => a.sentAt - b.sentAt);
  let failed = 0;
  let longestMs = 0;
  let failingSince: number | undefined;
  for (const { sentAt, outcome } of ordered) {
    if (outcome === 'answered') {
      if (failingSince !== undefined) longestMs = Math.max(longestMs, sentAt - failingSince);
      failingSince = undefined;
      continue;
    }
    failed++;
    failingSince ??= sentAt;
  }
  const last = ordered.at(-1);
  if (failingSince !== undefined && last) longestMs = Math.max(longestMs, last.sentAt - failingSince);
  return { queries: ordered.length, failed, longestMs };
}
