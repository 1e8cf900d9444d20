/** Names: presentation text ↔ wire form, and the hash by which they are looked up. */

const dot = 0x2e;

/**
 * The wire form of a name in lower case, with the closing zero.
 *
 * Legal: labels of 1 to 63 octets of printable ASCII without dot and backslash, at most 255 octets in all; a dot at
 * the end is allowed; `.` and the empty text are the root.
 *
 * @returns undefined for text that is not legal.
 */
export function nameToWire(text: string): Uint8Array | undefined {
  const labels =
    text === '.' || text === '' ? [] : (text.endsWith('.') ? text.slice(0, -1) : text).split('.');
  const wire = labelsToWire(labels);
  if (wire === undefined || wire.length + 1 > 255) return undefined;
  const name = new Uint8Array(wire.length + 1);
  name.set(wire);
  return name;
}

/** Labels one after the other in lower case, without the closing zero; undefined where one is not legal. */
export function labelsToWire(labels: readonly string[]): Uint8Array | undefined {
  let length = 0;
  for (const label of labels) {
    if (label.length === 0 || label.length > 63) return undefined;
    length += label.length + 1;
  }
  if (length > 254) return undefined;
  const wire = new Uint8Array(length);
  let at = 0;
  for (const label of labels) {
    wire[at++] = label.length;
    for (let i = 0; i < label.length; i++) {
      const code = label.charCodeAt(i);
      if (code <= 0x20 || code >= 0x7f || code === dot || code === 0x5c) return undefined;
      wire[at++] = lowerCase(code);
    }
  }
  return wire;
}

/** The text of a name in wire form, with the closing dot; octets outside printable ASCII as `\ddd` (RFC 1035 5.1). */
export function wireToName(wire: Uint8Array, start = 0): string {
  let text = '';
  let at = start;
  for (;;) {
    const length = wire[at++] ?? 0;
    if (length === 0) return text === '' ? '.' : text;
    for (const end = at + length; at < end; at++) text += octetText(wire[at] ?? 0);
    text += '.';
  }
}

function octetText(octet: number): string {
  if (octet === dot || octet === 0x5c) return `\\${String.fromCharCode(octet)}`;
  if (octet <= 0x20 || octet >= 0x7f) return `\\${String(octet).padStart(3, '0')}`;
  return String.fromCharCode(octet);
}

/** ASCII letters only, as names compare (RFC 4343). */
export function lowerCase(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}

/** Chosen at start, so that nobody can prepare names that all meet in one place of a table. */
const hashSeed = (Math.random() * 0x1_0000_0000) | 0;

/** A 32-bit hash (FNV-1a with a seed) of the octets from `start` to `end`. */
export function hashName(bytes: Uint8Array, start: number, end: number): number {
  let hash = hashSeed;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}
