import type { SocketAddress } from '../process/parsers.ts';

/** A socket that answers queries. */
export interface DnsListener {
  /** What it is bound to. */
  readonly address: SocketAddress;
  /** Answers what was received, then closes. */
  close(): Promise<void>;
}
