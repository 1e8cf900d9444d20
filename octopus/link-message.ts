/** What gateways tell each other inside of a tunnel, one JSON text a datagram. Who sent it is told by its address. */

import {
  boolean,
  checked,
  type Field,
  integer,
  objectOf,
  oneOf,
  optional,
  textThat,
  UnreadableError,
} from '../api/parse.ts';

/** How two clusters send to each other: by their own tunnel, or by the hub. */
export type Path = 'direct' | 'relayed';

/** Each second from each end; `reply` answers a probe with its `seq` and `at`. */
export interface ProbeMessage {
  readonly type: 'probe' | 'reply';
  readonly seq: number;
  /** The prober's own clock, milliseconds. */
  readonly at: number;
  /** The path that the sender uses. */
  readonly path: Path;
  /** Whether the sender finds the tunnel good enough to use it. */
  readonly isGood: boolean;
  /** Fingerprint, in hex, of the receiver's next key, where the sender knows it. */
  readonly knows?: string;
}

/** Do something together, in so many milliseconds; `agreed` is the answer. */
export interface TogetherMessage {
  readonly type: 'together' | 'agreed';
  readonly what: 'direct' | 'key';
  readonly inMs: number;
  /** With `key`: fingerprint, in hex, of the key that the sender changes to. */
  readonly key?: string;
}

export type LinkMessage = ProbeMessage | TogetherMessage;

/** More than this is none of our messages. */
export const maxMessageBytes = 400;

const fingerprint = textThat('16 hexadecimal digits', text => /^[0-9a-f]{16}$/.test(text), 16);
const version = checked('1', (value): value is 1 => value === 1);
const clock = checked(
  'a time in milliseconds',
  (value): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0,
);

const probe: Field<ProbeMessage & { v: 1 }> = objectOf({
  v: version,
  type: oneOf('probe', 'reply'),
  seq: integer(0, Number.MAX_SAFE_INTEGER),
  at: clock,
  path: oneOf('direct', 'relayed'),
  isGood: boolean,
  knows: optional(fingerprint),
});

const together: Field<TogetherMessage & { v: 1 }> = objectOf({
  v: version,
  type: oneOf('together', 'agreed'),
  what: oneOf('direct', 'key'),
  inMs: integer(0, 5_000),
  key: optional(fingerprint),
});

export function encodeMessage(message: LinkMessage): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, ...message }));
}

/** @returns undefined for what is no message of ours. */
export function decodeMessage(bytes: Buffer): LinkMessage | undefined {
  if (bytes.length > maxMessageBytes) return undefined;
  try {
    const value = JSON.parse(bytes.toString('utf8')) as { type?: unknown } | null;
    const shape = value?.type === 'probe' || value?.type === 'reply' ? probe : together;
    return shape.read(value);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof UnreadableError) return undefined;
    throw error;
  }
}
