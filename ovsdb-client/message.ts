import { ProtocolError, show } from './errors.ts';

/** JSON-RPC 1.0 as RFC 7047 section 4 uses it. */
export type Message =
  | {
      readonly kind: 'request';
      readonly method: string;
      readonly params: readonly unknown[];
      readonly id: unknown;
    }
  | { readonly kind: 'notification'; readonly method: string; readonly params: readonly unknown[] }
  | { readonly kind: 'response'; readonly id: unknown; readonly result: unknown; readonly error: unknown };

/**
 * Tells what a JSON value is as a message.
 *
 * @throws ProtocolError where it is none.
 */
export function readMessage(value: unknown): Message {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unreadable('an object', value);
  const { method, params, id, result, error } = value as Record<string, unknown>;
  if (method === undefined) {
    if (id === undefined || id === null) throw unreadable('a request, a notification or a response', value);
    return { kind: 'response', id, result, error: error ?? undefined };
  }
  if (typeof method !== 'string') throw unreadable('a message whose "method" is a text', value);
  if (!Array.isArray(params)) throw unreadable('a message whose "params" are a list', value);
  if (id === undefined || id === null) return { kind: 'notification', method, params };
  return { kind: 'request', method, params, id };
}

function unreadable(expected: string, value: unknown): ProtocolError {
  return new ProtocolError(
    `Cannot read from the server as a message must be ${expected}: current value is ${show(value)}`,
  );
}
