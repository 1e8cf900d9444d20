/**
 * Runs the parts of something that works only as a whole. They are told to end when `signal` is aborted or one of them
 * fails, and all have ended when this settles. A part that returns earlier has done its work;
 * undefined is one that there is nothing to do for.
 *
 * @param begin starts the parts; what they are given is when to end.
 * @throws what the part threw that failed first; nothing where `signal` was aborted, whatever parts throw on their way out.
 */
export async function together(
  signal: AbortSignal,
  begin: (until: AbortSignal) => readonly (Promise<unknown> | undefined)[],
): Promise<void> {
  const stop = new AbortController();
  const parts = begin(AbortSignal.any([signal, stop.signal]));
  for (const part of parts) part?.catch(error => stop.abort(error));
  await Promise.allSettled(parts);
  if (stop.signal.aborted && !signal.aborted) throw stop.signal.reason;
}
