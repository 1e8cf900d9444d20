/** Everything that this package throws or rejects with, apart from an AbortSignal's own reason, is one of these. */
export class OvsdbError extends Error {
  override readonly name: string = 'OvsdbError';
}

/** The peer does not speak OVSDB, or broke its rules. The connection is given up. */
export class ProtocolError extends OvsdbError {
  override readonly name = 'ProtocolError';
}

/** A value does not fit its column; nothing was sent. */
export class ColumnTypeError extends OvsdbError {
  override readonly name = 'ColumnTypeError';
  readonly table: string;
  readonly column: string;
  /** What the column takes, so that it completes the sentence "must be …". */
  readonly expected: string;

  constructor(table: string, column: string, expected: string, value: unknown) {
    super(`Cannot use ${table}.${column} as it must be ${expected}: current value is ${show(value)}`);
    this.table = table;
    this.column = column;
    this.expected = expected;
  }
}

/** The database has no such table or column. */
export class UnknownColumnError extends OvsdbError {
  override readonly name = 'UnknownColumnError';
}

/** The server answered a request with an error, for example `unknown database`. */
export class RequestError extends OvsdbError {
  override readonly name = 'RequestError';
  readonly method: string;
  /** The server's short text, RFC 7047's `<error>`. */
  readonly tag: string;
  readonly details: string | undefined;

  constructor(method: string, error: unknown) {
    const { tag, details } = readError(error);
    super(`${method} was refused: ${tag}${details === undefined ? '' : ` (${details})`}`);
    this.method = method;
    this.tag = tag;
    this.details = details;
  }
}

/** The server refused the transaction as a whole: nothing of it is in the database. */
export class TransactionError extends OvsdbError {
  override readonly name = 'TransactionError';
  /** `constraint violation`, `timed out` (a `wait` that did not hold), `not owner` (an `assert`), `aborted`, … */
  readonly tag: string;
  readonly details: string | undefined;
  /** Which operation failed, from 0; undefined where the commit as a whole did. */
  readonly operation: number | undefined;

  constructor(error: unknown, operation: number | undefined, what: string) {
    const { tag, details } = readError(error);
    super(`${what} failed: ${tag}${details === undefined ? '' : ` (${details})`}`);
    this.tag = tag;
    this.details = details;
    this.operation = operation;
  }
}

/** The connection ended after the transaction was sent and before its answer came: it may be committed or not. */
export class OutcomeUnknownError extends OvsdbError {
  override readonly name = 'OutcomeUnknownError';
}

/** The connection ended, or could not be made. */
export class DisconnectedError extends OvsdbError {
  override readonly name = 'DisconnectedError';
  /** Whether the request may have reached the server. */
  readonly sent: boolean;

  constructor(message: string, options: { readonly cause?: unknown; readonly sent?: boolean } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.sent = options.sent ?? false;
  }
}

/** More is waiting for the server than the client was allowed to keep. */
export class OverloadedError extends OvsdbError {
  override readonly name = 'OverloadedError';
}

function readError(error: unknown): { tag: string; details: string | undefined } {
  if (typeof error === 'string') return { tag: error, details: undefined };
  const first = Array.isArray(error) ? error[0] : error;
  if (typeof first !== 'object' || first === null) return { tag: show(error), details: undefined };
  const { error: tag, details } = first as Record<string, unknown>;
  return {
    tag: typeof tag === 'string' ? tag : show(first),
    details: typeof details === 'string' ? details : undefined,
  };
}

/** A value in an error's text: one line, not too long. */
export function show(value: unknown): string {
  if (value instanceof Map) return show([...value]);
  const text = typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? String(value));
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
