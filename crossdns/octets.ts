/**
 * Joins octets into memory of their own: not a part of Node's pool of buffers, of which 8 KB would stay for as long as
 * a few octets of it are kept.
 */
export function concatOctets(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
