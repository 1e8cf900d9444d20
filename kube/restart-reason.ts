import { KubeError, transportReasons } from './error.ts';

export type RestartReason =
  /** The version that it would resume at is of no use: only a list helps. */
  | 'expired'
  | 'stalled'
  | 'malformed'
  | 'broken'
  /** The server said no. */
  | 'refused'
  /** A mistake of ours. */
  | 'failed';

/** Why a watch ended, as its metric says it. */
export function restartReason(error: unknown): RestartReason {
  if (!(error instanceof KubeError)) return 'failed';
  if (error.status === 410 || error.status === 400 || isFromTheFuture(error)) return 'expired';
  if (error.reason === transportReasons.timeout) return 'stalled';
  if (error.reason === transportReasons.invalid) return 'malformed';
  return error.status === 0 ? 'broken' : 'refused';
}

/** A version that the server has not reached: its etcd was restored from a backup. */
function isFromTheFuture(error: KubeError): boolean {
  return error.status === 504 && JSON.stringify(error.details ?? '').includes('ResourceVersionTooLarge');
}
