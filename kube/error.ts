/**
 * A request that the API server refused, or that did not reach it.
 *
 * `status` is the HTTP status, or 0 where no answer came; `reason` is the API's (`NotFound`, `Conflict`, `Expired`, …)
 * or one of {@link transportReasons}.
 */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly status: number;
  readonly reason: string;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** `details` of the API's Status object. */
  readonly details: unknown;

  constructor(
    message: string,
    fields: { status: number; reason: string; retryAfterMs?: number | undefined; details?: unknown },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.status = fields.status;
    this.reason = fields.reason;
    this.retryAfterMs = fields.retryAfterMs;
    this.details = fields.details;
  }
}

/** Reasons of our own, for what the API server did not say. */
export const transportReasons = {
  /** No connection, or it broke. */
  unreachable: 'Unreachable',
  /** Connected, and silent for longer than the request may take. */
  timeout: 'NoAnswer',
  /** An answer that is not what the API sends. */
  invalid: 'InvalidAnswer',
} as const;

/** A server may ask for this long at most: whatever it says, we look again. */
const retryAfterLimitMs = 120_000;
/** As much of an answer that is not a Status as an error repeats. */
const excerptLength = 200;

/** Maps an answer of status 300 or above, whatever its body is, to an error. */
export function errorOfAnswer(
  what: string,
  status: number,
  body: string,
  retryAfter: string | undefined,
): KubeError {
  const parsed = parseStatus(body);
  const message = parsed?.message ?? (body.trim().slice(0, excerptLength) || 'no message');
  return new KubeError(`Cannot ${what}: ${message}`, {
    status,
    reason: parsed?.reason ?? defaultReason(status),
    retryAfterMs: parseRetryAfter(retryAfter) ?? parsed?.retryAfterMs,
    details: parsed?.details,
  });
}

/** Maps the Status object inside an ERROR frame of a watch. */
export function errorOfStatus(what: string, status: unknown): KubeError {
  const parsed = readStatus(status);
  return new KubeError(`Cannot ${what}: ${parsed?.message ?? 'no message'}`, {
    status: parsed?.code ?? 500,
    reason: parsed?.reason ?? defaultReason(parsed?.code ?? 500),
    retryAfterMs: parsed?.retryAfterMs,
    details: parsed?.details,
  });
}

interface ParsedStatus {
  readonly message: string | undefined;
  readonly reason: string | undefined;
  readonly code: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly details: unknown;
}

function parseStatus(body: string): ParsedStatus | undefined {
  try {
    return readStatus(JSON.parse(body));
  } catch {
    return undefined; // A proxy's page, or text: not an error of its own.
  }
}

function readStatus(value: unknown): ParsedStatus | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'Status')
    return undefined;
  const { message, reason, code, details } = value as Record<string, unknown>;
  const seconds =
    typeof details === 'object' && details !== null && 'retryAfterSeconds' in details
      ? details.retryAfterSeconds
      : undefined;
  return {
    message: typeof message === 'string' && message !== '' ? message : undefined,
    reason: typeof reason === 'string' && reason !== '' ? reason : undefined,
    code: typeof code === 'number' ? code : undefined,
    retryAfterMs: typeof seconds === 'number' && seconds > 0 ? bounded(seconds) : undefined,
    details,
  };
}

/** Retry-After as whole seconds; the API server never sends the date form of RFC 9110, 10.2.3. */
export function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,9}$/.test(header)) return undefined;
  return bounded(Number(header));
}

function bounded(seconds: number): number {
  return Math.min(seconds * 1000, retryAfterLimitMs);
}

function defaultReason(status: number): string {
  const reasons: Readonly<Record<number, string>> = {
    400: 'BadRequest',
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'NotFound',
    409: 'Conflict',
    410: 'Expired',
    422: 'Invalid',
    429: 'TooManyRequests',
    503: 'ServiceUnavailable',
    504: 'Timeout',
  };
  return reasons[status] ?? (status >= 500 ? 'InternalError' : 'Unknown');
}
