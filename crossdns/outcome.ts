import type { Zone } from './zone.ts';

/** How a message came; the size of its answer depends on it. */
export type Transport = 'udp' | 'tcp';

/** What became of the last message, for those who count. */
export interface Outcome {
  /** Undefined where it was about none. */
  readonly zone: Zone | undefined;
  /** With the bits that stand in the OPT record. */
  readonly rcode: number;
  readonly truncated: boolean;
  readonly rateLimited: boolean;
  /** One of {@link cookieVerdict}, -1 without a cookie. */
  readonly cookie: number;
}
