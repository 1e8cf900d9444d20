import { isIPv4 } from 'node:net';

/** The octets of a valid IP address in text. */
export function addressBytes(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  const [head = '', tail] = embeddedAsHex(text).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const [i, group] of before.entries()) view.setUint16(i * 2, Number.parseInt(group, 16));
  for (const [i, group] of after.entries()) {
    view.setUint16((8 - after.length + i) * 2, Number.parseInt(group, 16));
  }
  return bytes;
}

/** `::ffff:1.2.3.4` → `::ffff:102:304`. */
function embeddedAsHex(text: string): string {
  const colon = text.lastIndexOf(':');
  const last = text.slice(colon + 1);
  if (!isIPv4(last)) return text;
  const [a = 0, b = 0, c = 0, d = 0] = last.split('.').map(Number);
  return `${text.slice(0, colon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
